"""Events over HTTP: what each group has done with one."""

from typing import Any

import msgspec
from asgiref.sync import async_to_sync
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from bridge.api.mesh_view import MeshView, answer, checked_query
from ipc.django_app.runtime import running_hub
from ipc.hub.ledger import check_may_ask
from ipc.protocol.member_names import camel


class WhichSerializer(serializers.Serializer[Any]):
    """Which of several events with an id is meant, and where it is."""

    source = serializers.CharField(required=False, max_length=64)  # type: ignore[assignment]  # DRF takes it off the class
    log = serializers.CharField(required=False, max_length=128)
    position = serializers.CharField(required=False, max_length=64)


class EventView(MeshView):
    """One event, and what has become of it."""

    def get(self, request: Request, event_id: str) -> Response:
        """Answer with what each group of each of its logs has done with it."""
        which = checked_query(WhichSerializer, request)
        if self.asker.service is not None:
            which["source"] = check_may_ask(self.asker.permissions, self.asker.service, which.get("source"))
        status = async_to_sync(running_hub().ledger.status)(event_id, **which)
        return answer(camel(msgspec.to_builtins(status)))
