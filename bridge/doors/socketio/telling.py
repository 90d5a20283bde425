"""What the hub says, as arguments of events and callbacks.

An event goes to many sockets of a process: what is the same for all of them is made once.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from bridge.doors.socketio.asking import AskedEmit
from ipc.protocol import codec
from ipc.protocol.member_names import camel
from ipc.protocol.messages import CallError, Error, Event, Notice, Ok, ServerCall, Welcome

OWN: Final = "ipc:"
"""How the names of the door's own events begin: an event of a service that begins so comes as ``ipc:event``."""
OK: Final = '{"type":"ok",'
"""How the hub's line begins that says that a request was carried out."""
_MAX_KEPT_BYTES: Final = 4 * 1024 * 1024


class _Answered(Struct):
    """Whose an answer is."""

    id: str | None = None


_event: Final = msgspec.json.Decoder(Event)
_answered: Final = msgspec.json.Decoder(_Answered)
_encoder: Final = msgspec.json.Encoder()


class About(Struct, omit_defaults=True):
    """The second argument of an event's listener."""

    id: str
    source: str
    target: str | list[str]
    position: str
    timestamp: int
    log: str
    event: str | None = None
    meta: Any = None
    traceparent: str | None = None
    selectError: Any = None  # noqa: N815 - as it is sent
    group: str | None = None
    delivery: str | None = None
    attempt: int | None = None


class EventBodies:
    """The array of each event that is on its way, by the hub's line for it."""

    def __init__(self) -> None:
        self._bodies: dict[str, str] = {}
        self._size = 0

    def of(self, line: str) -> str:
        """Return the array for an event that every socket gets in the same form."""
        body = self._bodies.get(line)
        if body is None:
            if self._size > _MAX_KEPT_BYTES:
                self._bodies.clear()
                self._size = 0
            body = self._bodies[line] = event_body(_event.decode(line))
            self._size += len(line) + len(body)
        return body


def event_body(event: Event) -> str:
    """Return the array with an event: its name, its data, and what there is to know about it."""
    is_own = event.event.startswith(OWN)
    about = About(
        id=event.id,
        source=event.source,
        target=event.target,
        position=event.position,
        timestamp=event.ts,
        log=event.log,
        event=event.event if is_own else None,
        meta=event.meta,
        traceparent=event.traceparent,
        selectError=event.select_error,
        group=event.group,
        delivery=event.delivery,
        attempt=event.attempt,
    )
    name = "ipc:event" if is_own else event.event
    return b"".join((b'["', name.encode(), b'",', event.data, b",", _encoder.encode(about), b"]")).decode()


def delivery_of(line: str) -> Event:
    """Return an event that only one socket gets."""
    return _event.decode(line)


def welcome_body(welcome: Welcome, subscribed: Ok | None) -> str:
    """Return the array with the first event on a session: who it is, and where what it hears begins."""
    members: dict[str, Any] = {
        "session": welcome.session,
        "instance": welcome.instance,
        "service": welcome.service,
        "limits": camel(welcome.limits),
        "heartbeatMs": welcome.heartbeat_ms,
    }
    if subscribed is not None:
        for name in ("recovered", "positions", "reasons"):
            value = getattr(subscribed, name)
            if not isinstance(value, UnsetType):
                members[name] = value
    return own_body("ipc:welcome", members)


def notice_body(notice: Notice) -> str:
    """Return the array with a notice."""
    return own_body("ipc:notice", camel(_members_of(notice)))


def call_body(call: ServerCall) -> str:
    """Return the array with a call to the socket that serves its resource."""
    members = {name: getattr(call, name) for name in call.__struct_fields__}
    given = {name: value for name, value in members.items() if value not in (None, UNSET)}
    return own_body("ipc:call", {_CALL_NAMES.get(name, name): value for name, value in given.items()})


_CALL_NAMES: Final = {"deadline_ms": "deadlineMs", "idempotency_key": "idempotencyKey"}


def own_body(name: str, argument: Any) -> str:
    """Return the array with one of the door's own events."""
    return codec.encode_json([name, argument])


def answered_id(line: str) -> str | None:
    """Return which request the hub's line answers."""
    return _answered.decode(line).id


def emit_answer(asked: AskedEmit, line: str) -> str:
    """Return the members of the answer to an emit: the event and the target as they were asked for, and the hub's own.

    They are the hub's text, since an `ok` to an emit has no names of two words; what closes the object is at the end.
    """
    return f'"event":{str(asked.event, "utf-8")},"target":{str(asked.receivers, "utf-8")},{line.removeprefix(OK)}'


def succeeded(members: Mapping[str, Any]) -> str:
    """Return what a callback is called with when all went well."""
    given = {name: value for name, value in members.items() if not isinstance(value, UnsetType)}
    return codec.encode_json({"success": True, **given})


def answer_of(ok: Ok) -> dict[str, Any]:
    """Return the members of an ``ok`` as a client of JavaScript has them."""
    values = {name: getattr(ok, name) for name in ok.__struct_fields__ if name != "id"}
    given = {name: value for name, value in values.items() if not isinstance(value, UnsetType)}
    # Names in what a service said itself are its own.
    told = {name: value if name in {"result", "value"} else _plain(value) for name, value in given.items()}
    return {_OK_NAMES.get(name, name): value for name, value in told.items()}


_OK_NAMES: Final = {"has_more": "hasMore"}


def failed(error: Error | CallError) -> dict[str, Any]:
    """Return what a callback, or ``ipc:error``, is called with when something was refused."""
    members: dict[str, Any] = {"error": error.code, "message": error.message}
    for name, theirs in (("retryable", "retryable"), ("retry_after_ms", "retryAfterMs"), ("details", "details")):
        value = getattr(error, name)
        if not isinstance(value, UnsetType):
            members[theirs] = value
    return {"retryable": False, **members}


def raw_or_null(data: Raw | UnsetType) -> Raw:
    """Return data as it came."""
    return Raw(b"null") if isinstance(data, UnsetType) else data


def _members_of(message: Struct) -> dict[str, Any]:
    return {name: value for name in message.__struct_fields__ if (value := getattr(message, name)) is not None}


def _plain(value: Any) -> Any:
    built = msgspec.to_builtins(value)
    return built if isinstance(built, dict) and not isinstance(value, Struct) else camel(built)
