"""The work that every server is given: what is sent to whom, how much of it may be in flight, and what came of it."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol, Self

from bench.driver import Socket, connect
from bench.wires import PUBLISHER, SUBSCRIBERS, Wire, now_us

BROADCAST: Final = "broadcast"
# A run that makes no progress for so long is reported as stalled.
STALL_S: Final = 3.0


class Part(StrEnum):
    """What runs together: the servers of a part are started for it, and stopped after it."""

    LIVE = "live"
    DURABLE = "durable"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Workload:
    """One kind of traffic; ``target`` is None for echoes, which the server answers by itself.

    Args:
        window: how much may be in flight under load.

    """

    name: str
    target: str | None
    events_per_frame: int
    part: Part = Part.LIVE
    window: int = 200

    @property
    def key(self) -> str:
        """The name in results: the kind, with the frame's size if that is not one event."""
        return self.name if self.events_per_frame == 1 else f"{self.name}_{self.events_per_frame}"


DURABLE: Final = Workload("durable", SUBSCRIBERS[0], 1, Part.DURABLE)
CALL: Final = Workload("call", SUBSCRIBERS[0], 1, Part.CALL, window=64)
WORKLOADS: Final = (
    *(
        Workload(name, target, events_per_frame)
        for name, target in (("echo", None), ("targeted", SUBSCRIBERS[0]), ("broadcast", BROADCAST))
        for events_per_frame in (1, 20)
    ),
    DURABLE,
    CALL,
)


def part_of(key: str) -> Part:
    """Return the part that a workload belongs to, by its name; that of events not kept if there is no such workload."""
    return next((workload.part for workload in WORKLOADS if workload.key == key), Part.LIVE)


def unit_of(key: str) -> str:
    """Return what the rate of a workload counts, by its name."""
    return "calls" if part_of(key) is Part.CALL else "deliveries"


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How hard and how long: a phase ends at its number of events or its time, whichever is first."""

    events: int
    seconds: float
    window: int
    sample_every: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The three phases of a run."""

    warm_up: Load
    unloaded: Load
    loaded: Load


def plan(*, events: int, seconds: float, window: int) -> Plan:
    """Return the phases of a run whose measured part has at most so many events and seconds, so many in flight."""
    return Plan(
        warm_up=Load(events=events, seconds=seconds / 3, window=window, sample_every=1000),
        unloaded=Load(events=min(events, 300), seconds=seconds / 3, window=1, sample_every=1),
        loaded=Load(events=events, seconds=seconds, window=window, sample_every=10),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of one phase: deliveries counted over all receivers, latencies in milliseconds."""

    sent: int
    deliveries: int
    lost: int
    repeated: int
    seconds: float
    p50_ms: float | None
    p99_ms: float | None

    @property
    def rate(self) -> float:
        """Deliveries in a second."""
        return self.deliveries / self.seconds if self.seconds > 0 else 0.0


def percentile_ms(latencies_us: Sequence[int], share: float) -> float | None:
    """Return a percentile of latencies in microseconds as milliseconds, None of none."""
    if not latencies_us:
        return None
    ordered = sorted(latencies_us)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1000


class Flow:
    """Keeps events in flight, at most a window full on the average of the receivers, until the load is sent.

    It sends from the event loop's next turn after a delivery, so that what one turn freed is sent together.
    """

    def __init__(self, load: Load, *, receivers: int, batch: int, send: Callable[[int], None]) -> None:
        self.sent = 0
        self.delivered = 0
        self._load = load
        self._receivers = receivers
        self._batch = batch
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._turn_is_due = False
        self._deadline_us = now_us() + int(load.seconds * 1e6)

    async def run(self) -> float:
        """Send the load, wait until all of it has arrived or nothing moves any more; return the seconds until then.

        Raises:
            OSError: a socket failed on the way.

        """
        started_us = self._last_us = now_us()
        self._turn()
        while not self._done.done():
            before = self.delivered
            await asyncio.wait({self._done}, timeout=STALL_S)
            if self.delivered == before:
                break
        if self._done.done():
            self._done.result()
        return (self._last_us - started_us) / 1e6

    def on_events(self, events: int) -> None:
        """Take note of deliveries."""
        self.delivered += events
        if not self._turn_is_due:
            self._turn_is_due = True
            self._loop.call_soon(self._turn)

    def on_failure(self, error: Exception) -> None:
        """End the run with an error."""
        if not self._done.done():
            self._done.set_exception(error)

    def _turn(self) -> None:
        self._turn_is_due = False
        self._last_us = now_us()
        if self._done.done():
            return
        self._send_what_may()
        if self._is_sent() and self._has_arrived():
            self._done.set_result(None)

    def _send_what_may(self) -> None:
        while not self._is_sent() and self._may_send():
            batch = min(self._batch, self._load.events - self.sent)
            self.sent += batch
            self._send(batch)

    def _has_arrived(self) -> bool:
        return self.delivered >= self.sent * self._receivers

    def _is_sent(self) -> bool:
        return self.sent >= self._load.events or self._last_us >= self._deadline_us

    def _may_send(self) -> bool:
        in_flight = self.sent * self._receivers - self.delivered
        return in_flight <= 0 or in_flight <= (self._load.window - self._batch) * self._receivers


class TurnFlow(Flow):
    """A flow to one receiver in which what one turn of the loop may send goes out together, as from a good client."""

    def __init__(self, load: Load, *, send: Callable[[int], None]) -> None:
        super().__init__(load, receivers=1, batch=1, send=send)

    def _send_what_may(self) -> None:
        if not self._is_sent():
            count = min(self._load.window - self._in_flight(), self._load.events - self.sent)
            if count > 0:
                self.sent += count
                self._send(count)

    def _in_flight(self) -> int:
        return self.sent - self.delivered


class AnyBench(Protocol):
    """The sockets of a workload on one server; use as an async context manager."""

    async def __aenter__(self) -> Self:
        """Connect all sockets."""

    async def __aexit__(self, *_: object) -> None:
        """Close them."""

    async def run(self, workload: Workload, load: Load) -> Measured:
        """Give the server one load of a workload."""


class Bench:
    """A publisher and eighteen subscribers of one server, all connected; use as an async context manager."""

    def __init__(self, wire: type[Wire], port: int, tls: ssl.SSLContext | None = None) -> None:
        self._wire = wire
        self._port = port
        self._tls = tls
        self._subscribers: list[Socket] = []

    async def __aenter__(self) -> Self:
        try:
            for service in SUBSCRIBERS:
                self._subscribers.append(await connect(self._wire(service), self._port, self._tls))
            self._publisher = await connect(self._wire(PUBLISHER, hears=False), self._port, self._tls)
        except BaseException:
            await self._close(self._subscribers)
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close([*self._subscribers, self._publisher])

    async def run(self, workload: Workload, load: Load) -> Measured:
        """Give the server one load of a workload.

        Raises:
            OSError: the server refused something or closed a socket.

        """
        receivers = self._receivers(workload)
        flow = Flow(
            load,
            receivers=len(receivers),
            batch=workload.events_per_frame,
            send=lambda events: self._publisher.send(self._messages(workload, events)),
        )
        for socket in (*self._subscribers, self._publisher):
            socket.reset(sample_every=load.sample_every)
            socket.on_failure = flow.on_failure
        for socket in receivers:
            socket.on_events = flow.on_events
        seconds = await flow.run()
        latencies_us = [latency for socket in receivers for latency in socket.latencies_us]
        return Measured(
            sent=flow.sent,
            deliveries=sum(socket.events for socket in receivers),
            lost=sum(max(0, flow.sent - socket.events) for socket in receivers),
            repeated=sum(max(0, socket.events - flow.sent) for socket in receivers),
            seconds=seconds,
            p50_ms=percentile_ms(latencies_us, 0.5),
            p99_ms=percentile_ms(latencies_us, 0.99),
        )

    def _receivers(self, workload: Workload) -> list[Socket]:
        if workload.target is None:
            return [self._publisher]
        if workload.target == BROADCAST:
            return self._subscribers
        return [socket for socket in self._subscribers if socket.wire.service == workload.target]

    def _messages(self, workload: Workload, events: int) -> list[bytes]:
        wire, sent_at = self._publisher.wire, now_us()
        if workload.target is None:
            return [wire.ping(sent_at) for _ in range(events)]
        return [wire.emit(workload.target, sent_at) for _ in range(events)]

    @staticmethod
    async def _close(sockets: Sequence[Socket]) -> None:
        await asyncio.gather(*(socket.close() for socket in sockets))
