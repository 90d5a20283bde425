"""Every message of the native protocol ``exprsn.ipc.v1``, as a struct.

The member ``type`` is written first, so a reader can dispatch before it parses. Unknown members are ignored.
"""

from typing import Annotated, Any, Final, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from ipc.protocol.declarations import MAX_EVENTS, Declaration
from ipc.protocol.delivery_status import EventStatus
from ipc.protocol.discovery import ServiceInfo
from ipc.protocol.explanation import Explanation
from ipc.protocol.operations import MAX_ERROR, MAX_NAME, MAX_TEXT, OperationInfo

MAX_ID_LENGTH: Final = 64
MAX_RETRY_AFTER_MS: Final = 86_400_000
"""A day: what an owner may ask its callers to wait for."""

RequestId = Annotated[str, Meta(min_length=1, max_length=MAX_ID_LENGTH)]
DeliveryIds = Annotated[list[str], Meta(min_length=1, max_length=1_000)]
TraceParent = Annotated[str, Meta(max_length=64)]


class ClientMessage(Struct, tag_field="type", omit_defaults=True):
    """What a client sends; ``id`` comes back in the answer."""

    id: RequestId | None = None


class Auth(ClientMessage, tag="auth", kw_only=True):
    """Prove which service this is, or renew the proof on an open socket."""

    token: Annotated[str, Meta(min_length=1, max_length=16_384)]

    def __repr__(self) -> str:
        """Return what may be logged."""
        return f"Auth(id={self.id!r})"


class Subscription(Struct, omit_defaults=True, kw_only=True):
    """Patterns with a condition that chooses among their events, and a shape for what is chosen."""

    events: Annotated[list[str], Meta(min_length=1)]
    where: Any = None
    select: Any = None


class Subscribe(ClientMessage, tag="subscribe", kw_only=True):
    """Ask for events by patterns; ``since`` maps logs to the last position seen there.

    ``also`` has further subscriptions, which begin at the same places in the logs.
    """

    events: Annotated[list[str], Meta(min_length=1)]
    since: dict[str, str] | None = None
    group: str | None = None
    where: Any = None
    select: Any = None
    also: list[Subscription] | None = None
    credit: int | None = None
    retry: dict[str, Any] | None = None
    once: bool = False


class Unsubscribe(ClientMessage, tag="unsubscribe", kw_only=True):
    """Take patterns back, exactly as they were subscribed."""

    events: list[str]
    group: str | None = None
    forget: bool = False


class Ack(ClientMessage, tag="ack", kw_only=True):
    """Say that deliveries of groups are done; there is no answer, unless one is not held."""

    deliveries: DeliveryIds


class Nack(ClientMessage, tag="nack", kw_only=True):
    """Say that deliveries failed, and whether to try again as the group does, after a given time, or never."""

    deliveries: DeliveryIds
    reason: Annotated[str, Meta(min_length=1)]
    retry_in_ms: Annotated[int, Meta(ge=0, le=86_400_000)] | None = None
    reject: bool = False
    traceback: str | None = None


class Progress(ClientMessage, tag="progress", kw_only=True):
    """Say that deliveries are being worked on, which gives them their full time again."""

    deliveries: DeliveryIds


class Status(ClientMessage, tag="status", kw_only=True):
    """Ask what each group has done with an event, by its id; where it is need not be said."""

    event: RequestId
    source: str | None = None
    log: str | None = None
    position: str | None = None


class Discover(ClientMessage, tag="services", kw_only=True):
    """Ask which services there are, with their instances and how calls to them are doing; or about one of them."""

    service: str | None = None


class Explain(ClientMessage, tag="explain", kw_only=True):
    """Ask who would get an event, and who would not and why; nothing is emitted."""

    event: str
    data: Raw = Raw(b"null")
    target: str | list[str] | None = None
    meta: Raw | UnsetType = UNSET
    source: str | None = None


class Emit(ClientMessage, tag="emit", kw_only=True):
    """Append an event; its ``id`` is also the key that drops a repeat within five minutes."""

    event: str
    data: Raw = Raw(b"null")
    target: str | list[str] | None = None
    # Not `| None`: msgspec reads such a union as nothing but null.
    meta: Raw | UnsetType = UNSET
    traceparent: TraceParent | None = None
    ack: bool = False


class Resource(Struct, omit_defaults=True, kw_only=True):
    """A resource and the operations on it that a session answers; ``limit`` bounds its calls in flight there."""

    name: str
    ops: Annotated[list[str], Meta(min_length=1, max_length=64)]
    limit: Annotated[int, Meta(ge=1, le=10_000)] | None = None


class Serve(ClientMessage, tag="serve", kw_only=True):
    """Say which resources this session answers calls to, in place of what it said before; none of them ends that.

    ``hand_over`` maps resources that this service has to the service that may claim them from it.
    """

    resources: Annotated[list[Resource], Meta(max_length=64)]
    hand_over: dict[str, str] | None = None


class Call(ClientMessage, tag="call", kw_only=True):
    """Ask whoever serves a resource; the answer is a ``reply`` with the same ``id``."""

    op: str
    resource: str
    key: Annotated[str, Meta(max_length=512)] | int | None = None
    data: Raw | UnsetType = UNSET
    query: Raw | UnsetType = UNSET
    target: str | None = None
    timeout_ms: int | None = None
    idempotency_key: RequestId | None = None
    jsonlex: bool = False
    meta: Raw | UnsetType = UNSET
    traceparent: TraceParent | None = None


class CallError(Struct, omit_defaults=True, kw_only=True):
    """Why a call failed: a code of the table or one of the owner's own."""

    code: Annotated[str, Meta(min_length=1, max_length=64)]
    message: Annotated[str, Meta(max_length=4_000)]
    retryable: bool | UnsetType = UNSET
    retry_after_ms: Annotated[int, Meta(ge=0, le=MAX_RETRY_AFTER_MS)] | UnsetType = UNSET
    details: Any | UnsetType = UNSET


class Reply(ClientMessage, tag="reply", kw_only=True):
    """Answer a call by its ``id``, with data or with an error."""

    data: Raw | UnsetType = UNSET
    error: CallError | None = None


class Cancel(ClientMessage, tag="cancel", kw_only=True):
    """Take back a call by its ``id``: nobody waits for the reply any more."""


class JSONLex(ClientMessage, tag="jsonlex", kw_only=True):
    """Evaluate an expression with a context; what is no expression is the result itself."""

    expression: Any
    context: Any = None


class State(ClientMessage, tag="state", kw_only=True):
    """Read, write or delete the state of a stateful token; with ``expected`` it is written only if it is that."""

    op: Literal["get", "set", "delete"]
    token: Annotated[str, Meta(min_length=1, max_length=16_384)]
    value: Any | UnsetType = UNSET
    expected: Any | UnsetType = UNSET

    def __repr__(self) -> str:
        """Return what may be logged."""
        return f"State(id={self.id!r}, op={self.op!r})"


class Declare(ClientMessage, tag="declare", kw_only=True):
    """Say what the data of events is that this service emits; what was said of other events stays."""

    events: Annotated[list[Declaration], Meta(min_length=1, max_length=MAX_EVENTS)]


class Operation(ClientMessage, tag="operation", kw_only=True):
    """Begin a long operation, tell how far it is or that it has ended, cancel one, or list them."""

    op: Literal["begin", "progress", "end", "cancel", "list"]
    operation: Annotated[str, Meta(max_length=MAX_ID_LENGTH)] | None = None
    name: Annotated[str, Meta(max_length=MAX_NAME)] | None = None
    target: str | None = None
    total: float = 100.0
    done: float | None = None
    text: Annotated[str, Meta(max_length=MAX_TEXT)] | None = None
    error: Annotated[str, Meta(max_length=MAX_ERROR)] | None = None
    service: str | None = None


class Ping(ClientMessage, tag="ping"):
    """Ask for a pong."""


class Pong(ClientMessage, tag="pong", kw_only=True):
    """Answer a heartbeat with the number it carried."""

    sent: int = 0


class ServerMessage(Struct, tag_field="type", omit_defaults=True):
    """What the bridge sends."""


class Welcome(ServerMessage, tag="welcome", kw_only=True):
    """The first message on a session that was let in."""

    session: str
    instance: str
    service: str
    limits: dict[str, int]
    heartbeat_ms: int


class Ok(ServerMessage, tag="ok", kw_only=True):
    """A request was carried out; which members are set depends on the request.

    ``remaining`` is how many more messages the service may send for now, where it has a limit.
    """

    id: str | None = None
    position: str | UnsetType = UNSET
    positions: dict[str, str] | UnsetType = UNSET
    duplicate: bool | UnsetType = UNSET
    recovered: bool | UnsetType = UNSET
    reasons: dict[str, str] | UnsetType = UNSET
    status: EventStatus | UnsetType = UNSET
    services: list[ServiceInfo] | UnsetType = UNSET
    explanation: Explanation | UnsetType = UNSET
    operations: list[OperationInfo] | UnsetType = UNSET
    has_more: bool | UnsetType = UNSET
    result: Any | UnsetType = UNSET
    cost: int | UnsetType = UNSET
    value: Any | UnsetType = UNSET
    remaining: int | UnsetType = UNSET


class Error(ServerMessage, tag="error", kw_only=True):
    """A request was refused or failed."""

    id: str | None = None
    code: str
    message: str
    retryable: bool | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET
    details: dict[str, Any] | UnsetType = UNSET


class SelectError(Struct, kw_only=True):
    """Why a ``select`` could not be evaluated on an event."""

    code: str


class ReplayMark(Struct, kw_only=True, omit_defaults=True):
    """By which replay an event comes again; ``again`` says that also a group that handles events once is to do so."""

    id: str
    again: bool = False


class Event(ServerMessage, tag="event", kw_only=True):
    """An event on its way to a subscriber; ``ts`` is the hub's time of appending in Unix milliseconds.

    With ``select_error`` its data is whole, because what the subscriber has selected of it could not be computed.
    ``replay`` and ``edited``, the operator who has changed the data, are said of what operators have delivered again.

    One for a member of a group also has the group, the delivery to acknowledge, and which attempt it is.
    """

    id: str
    event: str
    source: str
    target: str | list[str]
    ts: int
    data: Raw
    log: str
    position: str
    meta: Any = None
    traceparent: str | None = None
    select_error: SelectError | None = None
    replay: ReplayMark | None = None
    edited: str | None = None
    group: str | None = None
    delivery: str | None = None
    attempt: int | None = None


class ServerCall(ServerMessage, tag="call", kw_only=True):
    """A call on its way to the session that serves the resource, which has ``deadline_ms`` left to answer it."""

    id: str
    op: str
    resource: str
    key: str | int | None = None
    data: Raw | UnsetType = UNSET
    query: Raw | UnsetType = UNSET
    source: str
    deadline_ms: int
    idempotency_key: str | None = None
    jsonlex: bool = False
    meta: Any = None
    traceparent: str | None = None


class ServerReply(ServerMessage, tag="reply", kw_only=True):
    """The reply to a call."""

    id: str
    data: Raw | UnsetType = UNSET
    error: CallError | None = None


class ServerCancel(ServerMessage, tag="cancel", kw_only=True):
    """Say to the owner that nobody waits for its reply to a call any more."""

    id: str


class ServerPing(ServerMessage, tag="ping", kw_only=True):
    """A heartbeat: bytes sent so far, and per log the position up to which everything has been sent."""

    sent: int = 0
    positions: dict[str, str] | None = None


class ServerPong(ServerMessage, tag="pong", kw_only=True):
    """The answer to a client's ping."""

    id: str | None = None


class Notice(ServerMessage, tag="notice", kw_only=True):
    """Something the client should know: ``draining``, with the milliseconds after which to come back; that its token
    expires soon, and when; that it was revoked; that most of what the service may send is used up, with how much is
    left and the milliseconds until there is more; or that an operation of it was cancelled."""

    notice: Literal["draining", "token_expiring", "rate_warning", "revoked", "cancelled"]
    retry_after_ms: int | None = None
    expires_in_ms: int | None = None
    remaining: int | None = None
    resets_in_ms: int | None = None
    operation: str | None = None


AnyClientMessage = (
    Auth
    | Subscribe
    | Unsubscribe
    | Emit
    | Ack
    | Nack
    | Progress
    | Status
    | Discover
    | Explain
    | Serve
    | Call
    | Reply
    | Cancel
    | JSONLex
    | State
    | Declare
    | Operation
    | Ping
    | Pong
)
AnyServerMessage = (
    Welcome | Ok | Error | Event | ServerCall | ServerReply | ServerCancel | ServerPing | ServerPong | Notice
)
