"""The OpenAPI schema (3.1) of a service: what the descriptions of all of them share."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ipc.protocol.codes import ErrorCode

Shape = dict[str, Any]
"""A JSON Schema."""

PEOPLE: Final = ("caToken", "session")
ANYBODY: Final = ("brokerToken", *PEOPLE)
SECURITY_SCHEMES: Final[Shape] = {
    "brokerToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A service's token, from `POST /api/ipc/tokens` or `manage.py brokertoken`.",
    },
    "caToken": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A person's or a program's token, signed by the CA.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "sessionid",
        "description": "Somebody who is logged in to the admin. What changes something also needs `X-CSRFToken`.",
    },
}
_MEANING: Final = {
    400: "The request is wrong; `details` may say where.",
    401: "Nobody has proved anything, or the token proves nothing.",
    403: "Who asks may not do this.",
    404: "There is no such thing.",
    409: "It is not in a state in which that can be done.",
    413: "The request is too large.",
    415: "The body is of another type.",
    429: "The service has sent as many messages as it may for now.",
    500: "A fault here, which was logged.",
    502: "Who had the call went away; it may have been carried out.",
    503: "Redis, the database or an owner is away: try again.",
    504: "No answer in time.",
}
ERROR: Final[Shape] = {
    "type": "object",
    "description": "What every refusal and failure is answered with.",
    "required": ["success", "error", "message", "details"],
    "properties": {
        "success": {"const": False},
        "error": {
            "type": "string",
            "description": f"One of {', '.join(ErrorCode)}; the owner of a call may have codes of its own.",
            "examples": [ErrorCode.UNAUTHENTICATED, ErrorCode.INVALID_MESSAGE],
        },
        "message": {"type": "string", "description": "What was wrong, with what value, and what to do."},
        "details": {"description": "More for the program that reads it, or null."},
    },
    "additionalProperties": False,
    "examples": [
        {
            "success": False,
            "error": ErrorCode.FORBIDDEN,
            "message": "this session lacks the permission emit:post:created",
            "details": {"needed": "emit:post:created"},
        }
    ],
}
HEALTH: Final[Shape] = {
    "type": "object",
    "required": ["status", "service", "version", "timestamp"],
    "properties": {
        "status": {"enum": ["healthy", "unhealthy"]},
        "service": {"type": "string"},
        "version": {"type": "string"},
        "timestamp": {"type": "string", "format": "date-time"},
        "checks": {
            "type": "object",
            "description": "Only for whoever is known: how each part is.",
            "additionalProperties": {
                "type": "object",
                "required": ["ok"],
                "properties": {"ok": {"type": "boolean"}, "error": {"type": "string"}},
            },
        },
    },
    "additionalProperties": False,
}


class Schema(AutoSchema):
    """Names the proofs that a view takes, whatever classes look at them."""

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Return them: each is enough by itself."""
        return [{name: []} for name in getattr(self.view, "proofs", PEOPLE)]


def reference(name: str) -> Shape:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


def answers(*refusals: int, success: Shape | None = None) -> dict[Any, Any]:
    """Return the answers of an operation: its success if it is given here, and its refusals."""
    found: dict[Any, Any] = {
        (status, "application/json"): OpenApiResponse(response=reference("Error"), description=_MEANING[status])
        for status in sorted(refusals)
    }
    if success is not None:
        found[200, "application/json"] = OpenApiResponse(response=success, description="Done.")
    return found


def told(data: Shape) -> Shape:
    """Return the shape of a success that has some data."""
    return {
        "type": "object",
        "required": ["success", "data"],
        "properties": {"success": {"const": True}, "data": data},
        "additionalProperties": False,
    }


def described(*, proofs: tuple[str, ...], **operations: Mapping[str, Any]) -> type[APIView]:
    """Return a view that stands in the schema for one that is none of DRF's.

    Args:
        proofs: what it takes.
        operations: what `extend_schema` is told of each method.

    """

    members = {verb: extend_schema(**operation)(_handler()) for verb, operation in operations.items()}
    return type("Described", (APIView,), {"proofs": proofs, **members})


def health_view() -> type[APIView]:
    """Return what stands for ``/health``."""
    health = OpenApiResponse(response=HEALTH, description="The service can do its work.")
    ill = OpenApiResponse(response=HEALTH, description="It cannot.")
    return described(
        proofs=(),
        get={
            "operation_id": "health",
            "summary": "Whether the service can do its work",
            "responses": {**answers(401), (200, "application/json"): health, (503, "application/json"): ill},
        },
    )


def add_components(result: Shape, **_: Any) -> Shape:
    """Add what all schemas have in common (a hook of drf-spectacular)."""
    for path in result["paths"].values():
        for operation in path.values():
            if "requestBody" in operation:
                operation["requestBody"]["required"] = True
            for parameter in operation.get("parameters", ()):
                _in_its_form(parameter)
    components = result.setdefault("components", {})
    components.setdefault("schemas", {})["Error"] = ERROR
    components["securitySchemes"] = SECURITY_SCHEMES
    return result


def _in_its_form(parameter: Shape) -> None:
    """Have a parameter whose text is JSON described as that JSON, for which drf-spectacular has no words."""
    form = parameter["schema"].pop("contentMediaType", None)
    if form is not None:
        parameter["content"] = {form: {"schema": parameter.pop("schema")}}


def _handler() -> Callable[..., Response]:
    """Return a method of its own, since what is said of one is written at it."""

    def handle(view: APIView, request: Request) -> Response:
        raise NotImplementedError

    return handle
