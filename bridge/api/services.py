"""Discovery over HTTP: which services there are, and how calls to them are doing."""

from typing import Any

import msgspec
from asgiref.sync import async_to_sync
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from bridge.api.mesh_view import MeshView, answer, checked_query
from ipc.django_app.runtime import running_hub
from ipc.protocol.member_names import camel


class WhichSerializer(serializers.Serializer[Any]):
    """Which service is meant, if not all are."""

    service = serializers.CharField(required=False, max_length=64)


class ServiceListView(MeshView):
    """All services of the mesh."""

    def get(self, request: Request) -> Response:
        """Answer with them, by name."""
        which = checked_query(WhichSerializer, request)
        found = async_to_sync(running_hub().services)(which.get("service"))
        if not self.asker.sees_errors:
            for endpoint in (endpoint for each in found.services for endpoint in each.endpoints):
                endpoint.last_error = None
        return answer(camel(msgspec.to_builtins(found)))
