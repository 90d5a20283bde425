"""The durable workload by Socket.IO: a callback for each emit, and one for each event that a member is given."""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from bench.driver import Socket, connect
from bench.durable import CREDIT, MEMBERS, DurableBench
from bench.nats import GROUP
from bench.socketio_wires import SocketIOWire
from bench.wires import EVENT, PUBLISHER, SUBSCRIBERS, now_us

_SUBSCRIPTION: Final = b"1"
"""The number of the request by which a member joins its group at our door."""


class AckEmitterWire(SocketIOWire):
    """Emits with a callback; calls of it are what counts."""

    def __init__(self, service: str) -> None:
        super().__init__(service, hears=False)
        self._answer = b"43%b" % self._namespace

    def emit_acknowledged(self, target: str, sent_at: int, number: int) -> bytes:
        """Return an ``ipc:emit`` event packet with the number of a callback."""
        return self._numbered(self.emit(target, sent_at), number)

    def count(self, payload: bytes) -> int:
        """Count the call of a callback."""
        return 1 if payload.startswith(self._answer) else 0

    def _numbered(self, packet: bytes, number: int) -> bytes:
        begin = 2 + len(self._namespace)
        return b"%b%d%b" % (packet[:begin], number, packet[begin:])


class AckMemberWire(SocketIOWire):
    """Hears events that come with a callback, and calls each."""

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self._begin = b"42%b" % self._namespace
        self._name = b'["%b"' % EVENT.encode()

    def count(self, payload: bytes) -> int:
        """Count an event with a number."""
        return 1 if self._number(payload) else 0

    def acknowledge(self, payload: bytes) -> bytes | None:
        """Return the call of its callback, with nothing."""
        return b"43%b%b[]" % (self._namespace, self._number(payload))

    def _number(self, payload: bytes) -> bytes:
        if not payload.startswith(self._begin):
            return b""
        number = payload[len(self._begin) : payload.find(b"[", len(self._begin))]
        return number if payload.startswith(self._name, len(self._begin) + len(number)) else b""


class DoorEmitterWire(AckEmitterWire):
    """The same at our door: each emit has an id, so that a repeat is dropped, and wants no ``ipc:ack`` besides."""

    def emit_acknowledged(self, target: str, sent_at: int, number: int) -> bytes:
        """Return an ``ipc:emit`` event packet with the number of a callback."""
        more = b',"id":"%d-%d","options":{"requireAck":false}}]' % (sent_at, number)
        return self._numbered(self.emit(target, sent_at)[:-2] + more, number)

    def reply(self, payload: bytes) -> bytes | None:
        """Join the namespace, to hear nothing."""
        if payload.startswith(b"0"):
            return b"40%b" % self._namespace + b'{"subscribe":[]}'
        return super().reply(payload)


class DoorMemberWire(AckMemberWire):
    """The same at our door: a member of a durable group."""

    def reply(self, payload: bytes) -> bytes | None:
        """Join the namespace, then the group; it is ready when it is a member."""
        if payload.startswith(b"0"):
            return b"40%b" % self._namespace + b'{"subscribe":[]}'
        if payload.startswith(b'%b["ipc:welcome"' % self._begin):
            asked = b'{"events":["%b"],"group":"%b","credit":%d}' % (EVENT.encode(), GROUP.encode(), CREDIT)
            return b'%b%b["ipc:subscribe",%b]' % (self._begin, _SUBSCRIPTION, asked)
        if payload.startswith(b"43%b%b[" % (self._namespace, _SUBSCRIPTION)):
            self.is_ready = b'"success":true' in payload
            return None
        return None if payload.startswith(b"40") else super().reply(payload)


class AcknowledgedDurable(DurableBench):
    """The workload by Socket.IO.

    Args:
        port: of the server.
        emitter: the emitter's protocol.
        member: that of the members.
        left: asks the server for how many acknowledgements it waits.

    """

    emitter: Socket
    members: Sequence[Socket] = ()

    def __init__(
        self,
        port: int,
        emitter: type[AckEmitterWire],
        member: type[AckMemberWire],
        left: Callable[[], Awaitable[int]],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._port = port
        self._emitter = emitter
        self._member = member
        self._left = left
        self._tls = tls

    async def _open(self) -> None:
        self.members = [await connect(self._member(SUBSCRIBERS[0]), self._port, self._tls) for _ in range(MEMBERS)]
        self._wire = self._emitter(PUBLISHER)
        self.emitter = await connect(self._wire, self._port, self._tls)

    def _emit(self, events: int) -> None:
        sent_at = now_us()
        self.emitter.send([self._wire.emit_acknowledged(SUBSCRIBERS[0], sent_at, n) for n in range(events)])

    async def _unacknowledged(self) -> int:
        return await self._left()
