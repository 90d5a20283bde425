"""Explaining over HTTP: who would get an event, and who would not and why."""

from typing import Any

import msgspec
from asgiref.sync import async_to_sync
from msgspec import UNSET, Raw
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from bridge.api.names import camel
from bridge.api.operators import OperatorView, answer, checked
from ipc.django_app.runtime import running_hub
from ipc.hub.hub import Hub
from ipc.protocol import codec
from ipc.protocol.explanation import Explanation


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


class ExplainView(OperatorView):
    """What would become of an event."""

    def post(self, request: Request) -> Response:
        """Answer with who would get it; nothing is emitted."""
        if not isinstance(request.data, dict):
            raise serializers.ValidationError({"event": ["The body is an object with the member event."]})
        members = {name: value for name, value in request.data.items() if name != "data"}
        event = checked(EventSerializer, members)
        found = async_to_sync(_explained)(running_hub(), event, request.data.get("data"))
        return answer(camel(msgspec.to_builtins(found)))


async def _explained(hub: Hub, event: dict[str, Any], data: Any) -> Explanation:
    await hub.described()
    meta = event.get("meta")
    return await hub.explainer.explain(
        event["event"],
        Raw(codec.encode_json(data).encode()),
        target=event.get("target"),
        meta=UNSET if meta is None else Raw(codec.encode_json(meta).encode()),
        source=event.get("source"),
    )
