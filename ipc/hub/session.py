"""One attached instance, whatever door it came in by: what it may do, what it wants, what waits to be sent to it."""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from ipc.hub.batching import Batcher
from ipc.hub.interest import Interest
from ipc.hub.meter import Meter
from ipc.hub.tasks import OwnedTasks
from ipc.hub.terms import Terms
from ipc.protocol import codec
from ipc.protocol.codes import CloseCode, close_reason
from ipc.protocol.errors import IPCError
from ipc.protocol.ids import new_ulid
from ipc.protocol.limits import Limits
from ipc.protocol.messages import Ok, ServerMessage, ServerPing, Welcome
from ipc.protocol.tokens import Claims

FLUSH_TIMEOUT_S = 2.0
_SHUT_OUT = {
    CloseCode.REVOKED: "was shut out, its token being revoked,",
    CloseCode.UNAUTHENTICATED: "was shut out, its token having expired,",
}


class Peer(Protocol):
    """The other end of a session as its door sees it."""

    async def send(self, frame: str) -> None:
        """Send one frame; it may wait for the peer to read."""

    async def close(self, code: int, reason: str) -> None:
        """Close the connection; one that cannot even be told is dropped in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is at the other end, as the door has verified it; ``claims`` is what its token says, if it came with one."""

    service: str
    permissions: frozenset[str]
    is_dev_bypass: bool = False
    claims: Claims | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a session comes from: the door's name, and the process at the other end as far as it says."""

    door: str
    pid: int
    hostname: str
    instance_id: str = field(default_factory=new_ulid)
    version: str = ""


class Backlog(NamedTuple):
    """So many messages, of so many bytes."""

    messages: int
    size: int


class Session:
    """One attached instance.

    Args:
        peer: where frames and the close code go.
        on_close: called once, when the session has been closed from this side.
        measure: returns what measures the messages of an identity, None where they are not limited.

    """

    def __init__(
        self,
        peer: Peer,
        identity: Identity,
        origin: Origin,
        limits: Limits,
        *,
        on_close: Callable[["Session"], None],
        measure: Callable[[Identity], Meter | None] = lambda _identity: None,
    ) -> None:
        self.id = new_ulid()
        self.identity = identity
        self.meter = measure(identity)
        self.origin = origin
        self.service = identity.service
        self.instance = f"{identity.service}:{origin.instance_id}"
        self.limits = limits
        self.tasks = OwnedTasks(f"session {self.id}")
        self.patterns: dict[str, Terms] = {}
        self.interests: dict[str, Interest] = {}
        # What is still on its way by a replay, each with its log.
        self.replays: dict[Interest, str] = {}
        self.registered_ms = self.last_activity_ms = time.time_ns() // 1_000_000
        self.sent_bytes = 0
        self._confirmed_bytes = 0
        self._asked_at_bytes = 0
        self._confirmed = asyncio.Event()
        self.unanswered_pings = 0
        self.is_closed = False
        self._close_code: CloseCode | None = None
        self.emitted = 0
        # The names of events that it has emitted, the first of them.
        self.emits: dict[str, None] = {}
        self._closing: asyncio.Task[None] | None = None
        self._peer = peer
        self._on_close = on_close
        self._measure = measure
        self._outbox = Batcher(
            self._send,
            capacity=limits.outbox_bytes,
            max_count=limits.outbox_messages,
            max_items=limits.messages_per_frame,
            max_size=limits.frame_bytes,
            name=f"outbox {self.instance}",
        )

    def welcome(self) -> None:
        """Say that the session is let in, and what it is held to."""
        self.answer(
            Welcome(
                session=self.id,
                instance=self.instance,
                service=self.service,
                limits={
                    "frame_bytes": self.limits.frame_bytes,
                    "data_bytes": self.limits.data_bytes,
                    "messages_per_frame": self.limits.messages_per_frame,
                },
                heartbeat_ms=self.limits.heartbeat_ms,
            )
        )

    def prove(self, identity: Identity) -> None:
        """Let the session go on with another proof of the same service."""
        self.identity = identity
        self.meter = self._measure(identity)

    def put(self, text: str, size: int, count: int = 1) -> None:
        """Put messages that are encoded already into the outbox; a session that reads too slowly is closed."""
        if self.is_closed:
            return
        self._outbox.put(text, size, count)
        if self._outbox.is_full:
            waiting = f"{self._outbox.count} messages of {self._outbox.size} bytes"
            self.close(CloseCode.TOO_SLOW, f"{waiting} are waiting; resume when ready")

    def put_all(self, pieces: Iterable[tuple[str, int, int]]) -> None:
        """Put several pieces, each with its size in bytes and its number of messages, into the outbox."""
        for text, size, count in pieces:
            self.put(text, size, count)

    def answer(self, message: ServerMessage) -> None:
        """Put one message into the outbox."""
        if self.meter is not None and type(message) is Ok:
            message.remaining = self.meter.standing.remaining
        text = codec.encode(message)
        self.put(text, codec.utf8_size(text))

    def refuse(self, error: IPCError, request_id: str | None = None) -> None:
        """Put the ``error`` for a request into the outbox."""
        text = codec.encode_error(error, request_id)
        self.put(text, codec.utf8_size(text))

    def ping(self, positions: dict[str, str]) -> None:
        """Send a heartbeat, or close a session that left the last two without an answer."""
        if self.unanswered_pings >= 2:  # noqa: PLR2004 - the protocol's number
            self.close(CloseCode.TOO_SLOW, "two heartbeats were not answered; resume when ready")
            return
        self.unanswered_pings += 1
        self.answer(ServerPing(sent=self.sent_bytes, positions=positions))

    def confirm(self, sent_bytes: int) -> None:
        """Take note that the peer has read so many of the bytes sent, as its ``pong`` says."""
        self.unanswered_pings = 0
        self._confirmed_bytes = max(self._confirmed_bytes, min(sent_bytes, self.sent_bytes))
        self._confirmed.set()

    @property
    def has_room(self) -> bool:
        """Whether what can wait may be put into the outbox; `outbox_room` waits for it."""
        outbox, limits = self._outbox, self.limits
        return outbox.size <= limits.outbox_bytes // 4 and outbox.count <= limits.outbox_messages // 4

    @property
    def backlog(self) -> Backlog:
        """What waits in the outbox, for the peer to read what was sent before."""
        return Backlog(self._outbox.count, self._outbox.size)

    async def outbox_room(self) -> None:
        """Wait until the outbox is half empty, for what can wait, such as a replay of the log."""
        while not (self.has_room or self.is_closed):
            await self._outbox.flushed()

    def close(self, code: CloseCode, reason: str) -> None:
        """Close from this side: what waits is sent first, except to a peer that is too slow to take it."""
        if self.is_closed:
            return
        self.is_closed = True
        self._close_code = code
        # What a closed session confirms is not read any more; what is left is no more than an outbox.
        self._confirmed.set()
        self._closing = self.tasks.start(self._close_peer(code, reason), "close")
        self._on_close(self)

    @property
    def is_shut_out(self) -> bool:
        """Whether it was closed because its token proves nothing any more."""
        return self._close_code in _SHUT_OUT

    @property
    def farewell(self) -> str:
        """How it ended, for whoever waits for something from it."""
        return _SHUT_OUT.get(self._close_code, "left") if self._close_code is not None else "left"

    async def closed(self) -> None:
        """Wait until the peer has been told that it is closed from this side; not long, if it is stuck."""
        if self._closing is not None:
            await asyncio.wait([self._closing], timeout=2 * FLUSH_TIMEOUT_S)

    async def ended(self) -> None:
        """Stop everything that runs for the session, when its connection is gone."""
        self.is_closed = True
        await self.tasks.close()
        await self._outbox.close()

    async def _close_peer(self, code: CloseCode, reason: str) -> None:
        if code is not CloseCode.TOO_SLOW:
            await asyncio.wait([self.tasks.start(self._outbox.flushed(), "flush")], timeout=FLUSH_TIMEOUT_S)
        await self._outbox.close()
        await self._peer.close(code, close_reason(reason))

    async def _send(self, batch: list[str]) -> None:
        frame = batch[0] if len(batch) == 1 else "\n".join(batch)
        await self._window()
        await self._peer.send(frame)
        self.sent_bytes += codec.utf8_size(frame)

    async def _window(self) -> None:
        """Ask the peer now and then how far it has read, and send no more than a window ahead of that.

        A server's own backpressure ends at the socket, and daphne alone has none. A peer that does not answer is
        closed by `ping` after two heartbeats, or as soon as its outbox is full.
        """
        if self.sent_bytes - self._asked_at_bytes >= self.limits.window_bytes // 4:
            self._asked_at_bytes = self.sent_bytes
            await self._peer.send(codec.encode(ServerPing(sent=self.sent_bytes)))
        while self.sent_bytes - self._confirmed_bytes > self.limits.window_bytes and not self.is_closed:
            self._confirmed.clear()
            await self._confirmed.wait()
