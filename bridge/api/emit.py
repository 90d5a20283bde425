"""Emitting over HTTP: one event or several, in our own shape or as CloudEvents."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from django.http import HttpRequest, HttpResponse
from msgspec import UNSET, Raw, Struct, UnsetType

from bridge.api.answers import json_answer, success
from bridge.api.bodies import JSON, body_of, check_json_type, decoded, traceparent_of
from bridge.api.loop_view import ServiceView
from bridge.api.rate_limits import charge
from bridge.api.refusals import note_refused_service
from ipc.django_app.http import error_body, retry_after
from ipc.hub.emitting import Emitted, emit_as
from ipc.hub.hub import Hub
from ipc.hub.session import Identity
from ipc.protocol import codec
from ipc.protocol.cloudevents import MediaType, emit_of_http, emit_of_json
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.protocol.messages import Emit, RequestId, TraceParent

ONE: Final = "application/cloudevents+json"
SEVERAL: Final = "application/cloudevents-batch+json"
ACCEPTED: Final = f"{JSON}, {ONE}, {SEVERAL}"


class OwnEvent(Struct, forbid_unknown_fields=True, kw_only=True):
    """An event in our own shape."""

    event: str
    data: Raw = Raw(b"null")
    target: str | list[str] | None = None
    id: RequestId | None = None
    meta: Raw | UnsetType = UNSET
    traceparent: TraceParent | None = None


_OWN: Final = msgspec.json.Decoder(OwnEvent)
_LIST: Final = msgspec.json.Decoder(list[Raw])

Outcome = Emitted | IPCError


class EmitView(ServiceView):
    """Events into their logs, each a message of its own."""

    http_method_names = ["post"]
    counts_itself = True
    post = ServiceView.answer

    async def carry_out(self, hub: Hub, speaker: Identity, request: HttpRequest) -> HttpResponse:
        """Answer once each event is safe in its logs, or refused."""
        found = _events_of(request, hub.limits.messages_per_frame)
        several = isinstance(found, list)
        messages = _traced(found if isinstance(found, list) else [found])
        await charge(request, hub, speaker, max(1, len(messages)))
        good = [message for message in messages if isinstance(message, Emit)]
        outcomes = iter(await emit_as(hub, speaker.service, speaker.permissions, good))
        results = [next(outcomes) if isinstance(message, Emit) else message for message in messages]
        if not several:
            return _answer_to_one(results[0])
        for result in results:
            if isinstance(result, IPCError):
                note_refused_service(request, speaker, result)
        return _answer_to_several(results)


def _events_of(request: HttpRequest, most: int) -> "Emit | list[Emit | IPCError]":
    """Return the event of a request, or its events, each with what is wrong with it."""
    media_type = MediaType.of(request.headers.get("Content-Type", ""))
    body = body_of(request)
    if "ce-specversion" in request.headers and not media_type.name.startswith("application/cloudevents"):
        return emit_of_http(request.headers, body)
    check_json_type(media_type, accepted=ACCEPTED)
    if media_type.name == ONE:
        return emit_of_json(body)
    if media_type.name == SEVERAL:
        return _each(body, emit_of_json, most)
    return _each(body, _own, most) if body.lstrip()[:1] == b"[" else _own(body)


def _own(raw: bytes) -> Emit:
    event: OwnEvent = decoded(_OWN, raw)
    return Emit(**{name: getattr(event, name) for name in event.__struct_fields__})


def _each(body: bytes, emit_of: Callable[[bytes], Emit], most: int) -> list[Emit | IPCError]:
    raws: list[Raw] = decoded(_LIST, body)
    if len(raws) > most:
        raise BadMessageError(
            f"a request has at most {most} events, this one has {len(raws)}",
            code=ErrorCode.FRAME_TOO_LARGE,
            details={"limit": most},
        )
    return [_tried(emit_of, bytes(raw)) for raw in raws]


def _tried(emit_of: Callable[[bytes], Emit], raw: bytes) -> Emit | IPCError:
    try:
        return emit_of(raw)
    except IPCError as error:
        return error


def _traced(messages: Sequence[Emit | IPCError]) -> Sequence[Emit | IPCError]:
    """Return the events, those that say nothing else as a part of the request's trace."""
    for message in messages:
        if isinstance(message, Emit):
            message.traceparent = traceparent_of(message.traceparent)
    return messages


def _answer_to_one(outcome: Outcome) -> HttpResponse:
    if isinstance(outcome, IPCError):
        raise outcome
    return success(codec.encode_json(_told(outcome)))


def _answer_to_several(outcomes: Sequence[Outcome]) -> HttpResponse:
    """Answer 200 if all events are safe; else with the status of one that is not, and what became of each."""
    results = [_result(outcome) for outcome in outcomes]
    failures = [outcome for outcome in outcomes if isinstance(outcome, IPCError)]
    if not failures:
        return success(codec.encode_json({"results": results}))
    # What cannot succeed if it is repeated counts before what can, so that nobody repeats it forever.
    worst = min(failures, key=lambda failure: failure.retryable)
    message = f"{len(failures)} of {len(outcomes)} events were not taken: {worst.message}"
    body = error_body(worst.code, message, {"results": results})
    return json_answer(codec.encode_json(body), worst.code.http_status, retry_after(worst.retry_after_ms))


def _result(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, IPCError):
        return error_body(outcome.code, outcome.message, dict(outcome.details) if outcome.details else None)
    return {"success": True, "data": _told(outcome)}


def _told(emitted: Emitted) -> dict[str, Any]:
    told = {"id": emitted.id, "position": emitted.position, "positions": emitted.positions}
    return {**told, "duplicate": True} if emitted.is_repeat else told
