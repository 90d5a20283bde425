"""Explaining over HTTP: who would get an event, and who would not and why."""

from typing import Any

import msgspec
from asgiref.sync import async_to_sync
from msgspec import UNSET, Raw
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from bridge.api.mesh_view import MeshView, answer, checked
from ipc.django_app.runtime import running_hub
from ipc.hub.hub import Hub
from ipc.hub.ledger import check_may_ask
from ipc.protocol import codec
from ipc.protocol.explanation import Explanation
from ipc.protocol.member_names import camel
from ipc.protocol.services import full_name


class TargetField(serializers.Field[Any, Any, Any, Any]):
    """A service, or a list of them."""

    default_error_messages = {"invalid": "A target is the name of a service, or a list of names."}

    def to_internal_value(self, data: Any) -> str | list[str]:
        """Return it if it is one of the two."""
        if not (isinstance(data, str) or (isinstance(data, list) and all(isinstance(name, str) for name in data))):
            self.fail("invalid")
        return data

    def to_representation(self, value: Any) -> Any:
        """Return it as it is."""
        return value


class EventSerializer(serializers.Serializer[Any]):
    """An event as it would be emitted."""

    event = serializers.CharField(max_length=256, trim_whitespace=False)
    target = TargetField(required=False, allow_null=True)
    source = serializers.CharField(required=False, allow_null=True, max_length=64)  # type: ignore[assignment]  # DRF takes it off the class
    meta = serializers.JSONField(required=False, allow_null=True)


class ExplainView(MeshView):
    """What would become of an event."""

    def post(self, request: Request) -> Response:
        """Answer with who would get it; nothing is emitted."""
        if not isinstance(request.data, dict):
            raise serializers.ValidationError({"event": ["The body is an object with the member event."]})
        members = {name: value for name, value in request.data.items() if name != "data"}
        event = checked(EventSerializer, members)
        source, permissions = self._as_whom(event.get("source"))
        found = async_to_sync(_explained)(
            running_hub(), {**event, "source": source}, request.data.get("data"), permissions
        )
        return answer(camel(msgspec.to_builtins(found)))

    def _as_whom(self, named: str | None) -> tuple[str | None, frozenset[str] | None]:
        """Return who would emit the event, and what they may, as for the message ``explain`` of a session."""
        service, permissions = self.asker.service, self.asker.permissions
        if service is None:
            return named, None
        is_own = named is None or full_name(named) == service
        return check_may_ask(permissions, service, named) or service, permissions if is_own else None


async def _explained(hub: Hub, event: dict[str, Any], data: Any, permissions: frozenset[str] | None) -> Explanation:
    await hub.described()
    meta = event.get("meta")
    return await hub.explainer.explain(
        event["event"],
        Raw(codec.encode_json(data).encode()),
        target=event.get("target"),
        meta=UNSET if meta is None else Raw(codec.encode_json(meta).encode()),
        source=event["source"],
        permissions=permissions,
    )
