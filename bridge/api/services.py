"""Discovery over HTTP: which services there are, and how calls to them are doing."""

from typing import Any

import msgspec
from asgiref.sync import async_to_sync
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from bridge.api.names import camel
from bridge.api.operators import OperatorView
from ipc.django_app.runtime import current_hub
from ipc.protocol.errors import UnavailableError


class WhichSerializer(serializers.Serializer[Any]):
    """Which service is meant, if not all are."""

    service = serializers.CharField(required=False, max_length=64)


class ServiceListView(OperatorView):
    """All services of the mesh."""

    def get(self, request: Request) -> Response:
        """Answer with them, by name."""
        which = WhichSerializer(data={name: request.query_params[name] for name in request.query_params})
        which.is_valid(raise_exception=True)
        if unknown := sorted(set(request.query_params) - set(which.fields)):
            raise serializers.ValidationError({name: ["There is no such parameter."] for name in unknown})
        hub = current_hub()
        if hub is None:
            raise UnavailableError("the hub does not run")
        found = async_to_sync(hub.services)(which.validated_data.get("service"))
        return Response(
            {"success": True, "data": camel(msgspec.to_builtins(found))}, headers={"Cache-Control": "no-store"}
        )
