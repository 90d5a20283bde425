"""Calling over HTTP: one call to whoever serves a resource, and its reply."""

from typing import Annotated, Any, Final

import msgspec
from django.http import HttpRequest, HttpResponse
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from bridge.api.answers import json_answer, success
from bridge.api.bodies import body_of, check_json_type, decoded, traceparent_of
from bridge.api.loop_view import ServiceView
from ipc.django_app.http import retry_after
from ipc.hub.hub import Hub
from ipc.hub.session import Identity
from ipc.protocol import codec
from ipc.protocol.cloudevents import MediaType
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.messages import Call, CallError, RequestId, TraceParent

BAD_REQUEST: Final = 400
UNAUTHENTICATED: Final = 401
FORBIDDEN: Final = 403
UNAVAILABLE: Final = 503


class OwnCall(Struct, forbid_unknown_fields=True, kw_only=True):
    """A call as the body of a request."""

    resource: str
    op: str
    key: Annotated[str, Meta(max_length=512)] | int | float | None = None
    data: Raw | UnsetType = UNSET
    query: Raw | UnsetType = UNSET
    target: str | None = None
    timeout_ms: int | float | None = None
    idempotency_key: RequestId | None = None
    jsonlex: bool = False
    meta: Raw | UnsetType = UNSET
    traceparent: TraceParent | None = None


_OWN: Final = msgspec.json.Decoder(OwnCall)


class CallView(ServiceView):
    """Calls to their owners; a client that goes away takes its call back."""

    http_method_names = ["post"]
    post = ServiceView.answer

    async def carry_out(self, hub: Hub, speaker: Identity, request: HttpRequest) -> HttpResponse:
        """Answer with the data of the reply, or with the owner's error."""
        check_json_type(MediaType.of(request.headers.get("Content-Type", "")))
        own: OwnCall = decoded(_OWN, body_of(request))
        members = {name: getattr(own, name) for name in own.__struct_fields__}
        call = Call(**members | {name: _whole(name, members[name]) for name in ("key", "timeout_ms")})
        call.traceparent = traceparent_of(call.traceparent)
        answer = await hub.calling.ask(speaker.service, speaker.permissions, call)
        if answer.error is not None:
            return _refusal(answer.error)
        return success("null" if answer.data is None else answer.data)


def _whole(name: str, value: str | float | None) -> Any:
    """Return a number without a fraction as such: ``5.0`` is 5 in JSON (JSON Schema, "Numeric types")."""
    if not isinstance(value, float):
        return value
    if not value.is_integer():
        raise BadMessageError(f"{name} is a whole number, not {value}")
    return int(value)


def _refusal(error: CallError) -> HttpResponse:
    """Answer with an owner's error; its code may be one of its own."""
    body: dict[str, Any] = {"success": False, "error": error.code, "message": error.message}
    body["details"] = None if isinstance(error.details, UnsetType) else error.details
    after_ms = None if isinstance(error.retry_after_ms, UnsetType) else error.retry_after_ms
    return json_answer(codec.encode_json(body), _status(error), retry_after(after_ms))


def _status(error: CallError) -> int:
    """Return the status of a code of the table; of another one, whether trying again may help.

    401 would say that the caller's own proof is wrong, which the bridge has taken: no owner says so in its place.
    """
    try:
        status = ErrorCode(error.code).http_status
    except ValueError:
        return UNAVAILABLE if error.retryable is True else BAD_REQUEST
    return FORBIDDEN if status == UNAUTHENTICATED else status
