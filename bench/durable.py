"""The durable workload: emits answered once they are stored, and a group of two members who acknowledge each event."""

import asyncio
import ssl
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Self

import redis.asyncio as redis

from bench.driver import Socket, connect
from bench.nats import GROUP, NatsSocket, connect_nats, make_stream, unacknowledged
from bench.wires import PUBLISHER, SUBSCRIBERS, EmitterWire, MemberWire, now_us
from bench.workloads import Load, Measured, TurnFlow, Workload, percentile_ms
from ipc.protocol.services import full_name
from ipc.stores import keys

MEMBERS: Final = 2
CREDIT: Final = 100
SETTLE_TIMEOUT_S: Final = 5.0

AnySocket = Socket | NatsSocket


class DurableFlow(TurnFlow):
    """Keeps at most a window full of emits unanswered, until all is sent, answered and acknowledged by the group."""

    def __init__(self, load: Load, *, send: Callable[[int], None]) -> None:
        super().__init__(load, send=send)
        self.answered = 0

    def on_answers(self, answers: int) -> None:
        """Take note of emits that the server has stored."""
        self.answered += answers
        self.on_events(0)

    def _in_flight(self) -> int:
        return self.sent - self.answered

    def _has_arrived(self) -> bool:
        return self.delivered >= self.sent and self.answered >= self.sent


async def settled(unacknowledged: Callable[[], Awaitable[int]]) -> int:
    """Return how many events a server still waits for, once it waits for none or after a while."""
    give_up_at_us = now_us() + SETTLE_TIMEOUT_S * 1e6
    left = await unacknowledged()
    while left and now_us() < give_up_at_us:
        await asyncio.sleep(0.02)
        left = await unacknowledged()
    return left


async def pending(valkey_port: int) -> int:
    """Return how many events our group was given and has not acknowledged, by Valkey's own count."""
    service = full_name(SUBSCRIBERS[0])
    async with redis.Redis(port=valkey_port) as client:
        found = await client.xpending(keys.log(service), f"{service}/{GROUP}")
    return int(found["pending"])


class DurableBench(ABC):
    """An emitter and the two members of a group; use as an async context manager."""

    emitter: AnySocket
    members: Sequence[AnySocket] = ()

    async def __aenter__(self) -> Self:
        await self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(socket.close() for socket in (self.emitter, *self.members)))

    async def run(
        self,
        workload: Workload,  # noqa: ARG002 - there is but one
        load: Load,
    ) -> Measured:
        """Give the server one load; an event that the server does not know as acknowledged afterwards is lost.

        Raises:
            OSError: the server refused something or closed a socket.

        """
        flow = DurableFlow(load, send=self._emit)
        for socket in (self.emitter, *self.members):
            socket.reset(sample_every=load.sample_every)
            socket.on_failure = flow.on_failure
        self.emitter.on_events = flow.on_answers
        for member in self.members:
            member.on_events = flow.on_events
        seconds = await flow.run()
        handled = sum(member.events for member in self.members)
        latencies_us = [latency for member in self.members for latency in member.latencies_us]
        return Measured(
            sent=flow.sent,
            deliveries=handled,
            lost=max(0, flow.sent - handled) + await settled(self._unacknowledged),
            repeated=max(0, handled - flow.sent),
            seconds=seconds,
            p50_ms=percentile_ms(latencies_us, 0.5),
            p99_ms=percentile_ms(latencies_us, 0.99),
        )

    @abstractmethod
    async def _open(self) -> None:
        """Connect all sockets."""

    @abstractmethod
    def _emit(self, events: int) -> None:
        """Send so many events at once."""

    @abstractmethod
    async def _unacknowledged(self) -> int:
        """Return how many events the server has given to members and not seen acknowledged."""


class NativeDurable(DurableBench):
    """The workload on the bridge: a group subscription of one service from two sockets."""

    emitter: Socket
    members: Sequence[Socket] = ()

    def __init__(self, port: int, valkey_port: int, tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._valkey_port = valkey_port
        self._tls = tls

    async def _open(self) -> None:
        self.members = [
            await connect(MemberWire(SUBSCRIBERS[0], group=GROUP, credit=CREDIT), self._port, self._tls)
            for _ in range(MEMBERS)
        ]
        self._wire = EmitterWire(PUBLISHER, hears=False)
        self.emitter = await connect(self._wire, self._port, self._tls)

    def _emit(self, events: int) -> None:
        sent_at = now_us()
        self.emitter.send([self._wire.emit_acknowledged(SUBSCRIBERS[0], sent_at, n) for n in range(events)])

    async def _unacknowledged(self) -> int:
        return await pending(self._valkey_port)


class JetStreamDurable(DurableBench):
    """The workload on JetStream: a stream in a file, and a push consumer whose deliver group has two members."""

    emitter: NatsSocket
    members: Sequence[NatsSocket] = ()

    def __init__(self, port: int) -> None:
        self._port = port

    async def _open(self) -> None:
        self.members = [await connect_nats(self._port, "bench.members", queue=GROUP) for _ in range(MEMBERS)]
        self.emitter = await connect_nats(self._port, "bench.emitter")
        await make_stream(self.emitter, deliver_to="bench.members", max_unacknowledged=MEMBERS * CREDIT)

    def _emit(self, events: int) -> None:
        sent_at = now_us()
        self.emitter.send([self.emitter.emit(sent_at, number) for number in range(events)])

    async def _unacknowledged(self) -> int:
        return await unacknowledged(self.emitter)
