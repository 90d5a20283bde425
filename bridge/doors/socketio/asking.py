"""What a client emits, as messages of the native protocol: the hub decides about them as about anybody's.

The original's events are `ipc:emit`, `ipc:create`, `ipc:read`, `ipc:update`, `ipc:delete` and `ipc:jsonlex`; the others
carry the members of the native message of that name, in camelCase.
"""

import re
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.messages import MAX_ID_LENGTH

EMIT: Final = "ipc:emit"
CRUD: Final = {f"ipc:{op}": op for op in ("create", "read", "update", "delete")}
PLAIN: Final = {
    f"ipc:{name}": name
    for name in (
        *("call", "jsonlex", "subscribe", "unsubscribe", "progress", "serve", "state", "auth", "ping"),
        *("status", "services", "explain", "declare", "operation"),
    )
}
CANCEL: Final = "ipc:cancel"
NAMES: Final = (EMIT, *CRUD, *PLAIN, CANCEL)
UNANSWERED: Final = frozenset({"ipc:progress"})
"""What the hub says nothing to if all is well: the answer to a ping right behind it says that it was carried out."""
_OPTIONS: Final = {
    "target": "target",
    "timeoutMs": "timeout_ms",
    "timeout": "timeout_ms",
    "idempotencyKey": "idempotency_key",
    "jsonlex": "jsonlex",
    "meta": "meta",
    "traceparent": "traceparent",
}
_EMIT_BEGIN: Final = f'["{EMIT}",'
_CAPITAL: Final = re.compile(r"[A-Z]")
_NULL: Final = Raw(b"null")
_SCALAR: Final = frozenset(b'"-0123456789')

Members = dict[str, Raw]


class EmitOptions(Struct, rename="camel"):
    """What an emit's options may say; ``rateLimitExempt`` is a matter of the token and not read."""

    target: Raw | UnsetType = UNSET
    require_ack: bool = True


class AskedCall(Struct, rename="camel"):
    """What of a call, and of its ``ipc:cancel``, is the door's own: the id that it can be taken back by."""

    call_id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_LENGTH)] | None = None


class AskedEmit(Struct):
    """An ``ipc:emit``; a ``source`` in it is not read, it is the session's."""

    event: Raw = _NULL
    payload: Raw = _NULL
    target: Raw | UnsetType = UNSET
    options: EmitOptions | None = None
    id: str | UnsetType | None = UNSET
    meta: Raw | UnsetType = UNSET
    traceparent: Raw | UnsetType = UNSET

    @property
    def receivers(self) -> Raw:
        """Whom it is for, as JSON."""
        in_options = self.options.target if self.options is not None else UNSET
        for target in (in_options, self.target):
            if not isinstance(target, UnsetType) and target != _NULL:
                return target
        return Raw(b'"broadcast"')

    @property
    def wants_ack(self) -> bool:
        """Whether its emitter is told when it is safe, which it is unless it says otherwise."""
        return self.options is None or self.options.require_ack


_arguments: Final = msgspec.json.Decoder(list[Raw])
_members: Final = msgspec.json.Decoder(Members)
_emit: Final = msgspec.json.Decoder(AskedEmit)
_emit_event: Final = msgspec.json.Decoder(tuple[str, AskedEmit])
_call: Final = msgspec.json.Decoder(AskedCall)
_name: Final = msgspec.json.Decoder(str)


def arguments_of(body: str) -> list[Raw]:
    """Return the members of a packet's array, each as its JSON on one line.

    Raises:
        BadMessageError: INVALID_JSON, it is none.

    """
    try:
        # What comes between newlines would be a message of its own to the hub.
        text = body if "\n" not in body and "\r" not in body else codec.encode_json(msgspec.json.decode(body))
        return _arguments.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadMessageError(f"a packet's body is a JSON array: {error}", code=ErrorCode.INVALID_JSON) from error


def event_of(body: str) -> tuple[str, Raw | None]:
    """Return the name of an event and its first argument.

    Raises:
        BadMessageError: it is no JSON array that begins with a name.

    """
    arguments = arguments_of(body)
    try:
        return _name.decode(arguments[0]), arguments[1] if len(arguments) > 1 else None
    except (msgspec.DecodeError, IndexError, UnicodeError) as error:
        raise BadMessageError("an event begins with its name", code=ErrorCode.INVALID_JSON) from error


def emit_of(body: str) -> AskedEmit | None:
    """Return an emit that is as most are, taken apart in one go; None for everything else, right or wrong."""
    if not body.startswith(_EMIT_BEGIN) or "\n" in body or "\r" in body:
        return None
    try:
        asked = _emit_event.decode(body)[1]
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return asked if _is_good_id(asked.id) else None


def asked_emit(argument: Raw | None) -> AskedEmit:
    """Return what an ``ipc:emit`` says.

    Raises:
        BadMessageError: a member has a wrong type.

    """
    try:
        asked = _emit.decode(argument or b"{}")
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadMessageError(f"{EMIT}: {error}") from error
    if not _is_good_id(asked.id):
        raise BadMessageError(f"{EMIT}: id has 1 to {MAX_ID_LENGTH} characters, this has {len(str(asked.id))}")
    return asked


def emit_message(asked: AskedEmit, request_id: str | None, *, is_awaited: bool) -> bytes:
    """Return the native ``emit``; one that is not awaited is answered only if it is refused."""
    parts = [b'{"type":"emit","event":', asked.event, b',"data":', asked.payload, b',"target":', asked.receivers]
    if request_id is not None:
        parts += (b',"id":', msgspec.json.encode(request_id))
    if is_awaited:
        parts.append(b',"ack":true')
    if not isinstance(asked.meta, UnsetType):
        parts += (b',"meta":', asked.meta)
    if not isinstance(asked.traceparent, UnsetType):
        parts += (b',"traceparent":', asked.traceparent)
    parts.append(b"}")
    return b"".join(parts)


def message_of(name: str, argument: Raw | None, request_id: str) -> str:
    """Return the native message for any other event.

    Raises:
        BadMessageError: there is no such event, or its argument is no object.

    """
    if name not in CRUD and name not in PLAIN:
        raise BadMessageError(
            f"there is no event {name[:64]!r} to the bridge; known are {', '.join(NAMES)}", code=ErrorCode.UNKNOWN_TYPE
        )
    try:
        given = _members.decode(argument or b"{}")
        members = _crud(CRUD[name], given) if name in CRUD else _plain(given)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadMessageError(f"{name}: its argument is an object: {error}") from error
    message = codec.encode_json({**members, "type": PLAIN.get(name, "call"), "id": request_id})
    if name in UNANSWERED:
        message += "\n" + codec.encode_json({"type": "ping", "id": request_id})
    return message


def call_id_of(name: str, argument: Raw | None) -> str | None:
    """Return the id that a client gives its call, None if it gives none, as for everything else.

    Raises:
        BadMessageError: it is no id, or there is none to cancel a call by.

    """
    if name not in {"ipc:call", CANCEL}:
        return None
    try:
        call_id = _call.decode(argument or b"{}").call_id
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadMessageError(f"{name}: {error}") from error
    if call_id is None and name == CANCEL:
        raise BadMessageError(f"{name}: say which call by the callId that it was given")
    return call_id


def cancel_message(call_id: str) -> bytes:
    """Return the native ``cancel``, which is answered by the reply of the call."""
    return b'{"type":"cancel","id":%b}' % msgspec.json.encode(call_id)


def acknowledgement(delivery: str, arguments: list[Raw]) -> str:
    """Return the ``ack`` or ``nack`` for what a listener's callback was called with.

    Nothing, null and ``{success: true}`` say that it is done. Everything else says why it is not, since an `Error`
    arrives as an empty object.
    """
    said = msgspec.json.decode(arguments[0]) if arguments else None
    if said is None or (isinstance(said, dict) and said.get("success") is True):
        return codec.encode_json({"type": "ack", "deliveries": [delivery]})
    members = said if isinstance(said, dict) else {"error": said}
    reason = members.get("error", members.get("message"))
    nack = {"type": "nack", "deliveries": [delivery], "reason": _text(reason) or "the listener gave no reason"}
    nack |= {_snake(name): members[name] for name in ("retryInMs", "reject", "traceback") if name in members}
    return codec.encode_json(nack)


def reply(call_id: str, arguments: list[Raw]) -> str:
    """Return the ``reply`` for what an owner's callback was called with: what callers get, too."""
    said = msgspec.json.decode(arguments[0]) if arguments else None
    if isinstance(said, dict) and said.get("success") is True:
        return codec.encode_json({"type": "reply", "id": call_id, "data": said.get("data")})
    if not isinstance(said, dict) or not isinstance(said.get("error"), str):
        text = "the owner answered with neither {success: true, data} nor {success: false, error, message}"
        return codec.encode_json({"type": "reply", "id": call_id, "error": {"code": "INTERNAL", "message": text}})
    error = {"code": said["error"], "message": _text(said.get("message")) or said["error"]}
    error |= {_snake(name): said[name] for name in ("retryable", "retryAfterMs", "details") if name in said}
    return codec.encode_json({"type": "reply", "id": call_id, "error": error})


def _crud(op: str, given: Members) -> dict[str, Any]:
    options = _members.decode(given.get("options") or b"{}") if given.get("options") != _NULL else {}
    members: dict[str, Any] = {_OPTIONS[name]: value for name, value in options.items() if name in _OPTIONS}
    members |= {name: given[name] for name in ("resource", "data", "query") if name in given}
    if "id" in given:
        members["key"] = given["id"]
    elif op != "create" and _is_scalar(members.get("query")):
        # The original's update takes an id where it takes a query.
        members["key"] = members.pop("query")
    return {**members, "op": op}


def _plain(given: Members) -> dict[str, Any]:
    members: dict[str, Any] = {_snake(name): value for name, value in given.items() if name != "id"}
    if "id" in given:
        members.setdefault("key", given["id"])
    if "retry" in members and members["retry"] != _NULL:
        members["retry"] = {_snake(name): value for name, value in _members.decode(members["retry"]).items()}
    return members


def _is_good_id(given: str | UnsetType | None) -> bool:
    return not isinstance(given, str) or 0 < len(given) <= MAX_ID_LENGTH


def _is_scalar(value: Raw | None) -> bool:
    return value is not None and bytes(value)[0] in _SCALAR


def _snake(name: str) -> str:
    return _CAPITAL.sub(lambda letter: f"_{letter[0].lower()}", name)


def _text(value: Any) -> str:
    if value is None or value == "":
        return ""
    return value if isinstance(value, str) else codec.encode_json(value)
