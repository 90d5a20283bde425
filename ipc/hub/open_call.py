"""A call on its way: what was asked, by whom, who is to answer, and by when."""

import time
from dataclasses import dataclass, field
from typing import Protocol

from msgspec import Raw, UnsetType

from ipc.hub.owners import Owner
from ipc.hub.session import Session
from ipc.protocol import codec
from ipc.protocol.calls import call_error, check_op, check_resource, check_timeout, may_repeat
from ipc.protocol.errors import BadMessageError, IPCError, NoOwnerError
from ipc.protocol.limits import Limits
from ipc.protocol.messages import Call, CallError, ServerReply
from ipc.protocol.services import full_name


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call has come to: JSON (None for no data), or an error."""

    data: str | None = None
    error: CallError | None = None

    @classmethod
    def of(cls, error: IPCError) -> "Answer":
        """Return an exception as an answer."""
        return cls(error=call_error(error))


class Caller(Protocol):
    """Whoever waits for replies."""

    def replied(self, call_id: str, answer: Answer) -> None:
        """Take the answer to a call, by the id that the caller gave it."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: ``body`` has the members of the message to the owner, without its id and its deadline.

    ``source`` is the caller's service at the hub of the caller, and empty elsewhere.
    """

    resource: str
    op: str
    body: str
    target: str | None
    is_repeatable: bool
    source: str = ""


def nobody(request: Request) -> NoOwnerError:
    """Return the error for a call that has no owner."""
    whose = f" at {request.target[:100]}" if request.target is not None else ""
    return NoOwnerError(f"nobody serves {request.resource}{whose} right now")


@dataclass(slots=True, eq=False)
class OpenCall:
    """A call that has no answer yet; times are seconds of the monotonic clock."""

    id: str
    caller: Caller
    caller_id: str
    request: Request
    deadline: float
    began: float = field(default_factory=time.monotonic)
    given_at: float = 0.0
    owner: Owner | None = None
    session: Session | None = None
    tried: set[str] = field(default_factory=set)
    refusal: IPCError | None = None
    is_over: bool = False

    @property
    def attempt_id(self) -> str:
        """What the hub of its owner knows it by: another for each owner, so that the one before cannot end it."""
        return f"{self.id}.{len(self.tried)}"

    @property
    def left_ms(self) -> int:
        """Milliseconds until the deadline, at least 1."""
        return max(1, int((self.deadline - time.monotonic()) * 1000))


class SessionCaller:
    """A session that makes calls.

    Args:
        session: where replies go.

    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.calls: dict[str, OpenCall] = {}

    def replied(self, call_id: str, answer: Answer) -> None:
        """Send the reply."""
        self.calls.pop(call_id, None)
        self.session.put(*reply_text(call_id, answer))


def reply_text(call_id: str, answer: Answer) -> tuple[str, int]:
    """Return the message ``reply``, and its size in bytes."""
    if answer.error is not None:
        text = codec.encode(ServerReply(id=call_id, error=answer.error))
    elif answer.data is None:
        text = codec.encode(ServerReply(id=call_id))
    else:
        text = f'{{"type":"reply","id":{codec.encode_json(call_id)},"data":{answer.data}}}'
    return text, codec.utf8_size(text)


def request_of(message: Call, source: str, limits: Limits) -> tuple[Request, float]:
    """Return what a message asks in the name of a service, and the seconds it may take.

    Raises:
        BadMessageError: a name, a size, the target or the time is wrong.

    """
    op, resource = check_op(message.op), check_resource(message.resource)
    timeout_ms = check_timeout(message.timeout_ms)
    body = f'"op":"{op}","resource":"{resource}"'
    if message.key is not None:
        body += f',"key":{codec.encode_json(message.key)}'
    for name, raw in (("data", message.data), ("query", message.query)):
        if not isinstance(raw, UnsetType):
            body += f',"{name}":{codec.checked_json(bytes(raw), limits, name=name)}'
    body += f',"source":"{source}"'
    body += _rest(message, limits)
    request = Request(
        resource=resource,
        op=op,
        body=body,
        target=_target(message.target),
        is_repeatable=may_repeat(op, is_keyed=message.idempotency_key is not None),
        source=source,
    )
    return request, timeout_ms / 1000


def _rest(message: Call, limits: Limits) -> str:
    text = ""
    if message.idempotency_key is not None:
        text += f',"idempotency_key":{codec.encode_json(message.idempotency_key)}'
    if message.jsonlex:
        text += ',"jsonlex":true'
    if not isinstance(message.meta, UnsetType):
        text += _meta(message.meta, limits)
    if message.traceparent is not None:
        text += f',"traceparent":{codec.encode_json(message.traceparent)}'
    return text


def _meta(raw: Raw, limits: Limits) -> str:
    meta = codec.checked_json(bytes(raw), limits, name="meta").strip()
    if meta == "null":
        return ""
    if not meta.startswith("{"):
        raise BadMessageError("meta is an object")
    return f',"meta":{meta}'


def _target(target: str | None) -> str | None:
    """Return the full name of a service, or an instance's name as it is."""
    if target is None:
        return None
    service, colon, instance = target.partition(":")
    return f"{full_name(service)}{colon}{instance}"
