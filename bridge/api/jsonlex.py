"""Expressions over HTTP: what one gives with a context."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from bridge.api.mesh_view import MeshView, answer
from ipc.hub.evaluation import EVALUATION_LIMITS
from ipc.jsonlex import evaluate

MEMBERS = frozenset({"expression", "context"})


class JSONLexView(MeshView):
    """What an expression gives."""

    def post(self, request: Request) -> Response:
        """Answer with the result and its cost; this is no event loop, so there is nothing to give way to."""
        body: Any = request.data
        if not isinstance(body, dict) or "expression" not in body:
            raise serializers.ValidationError({"expression": ["The body is an object with the member expression."]})
        if unknown := sorted(body.keys() - MEMBERS):
            raise serializers.ValidationError({name: ["There is no such member."] for name in unknown})
        result = evaluate(body["expression"], body.get("context"), EVALUATION_LIMITS)
        return answer({"result": result.value, "cost": result.cost})
