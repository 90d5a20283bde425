"""The workloads of services through the library that they use: workers that emit, handle, call and serve."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self

from bench import workloads
from bench.calls import KEY, RESOURCE
from bench.durable import CREDIT, MEMBERS, pending, settled
from bench.nats import GROUP
from bench.wires import EVENT, PUBLISHER, SUBSCRIBERS, now_us, post_data
from bench.workloads import Load, Measured, Workload, percentile_ms
from ipc import EventContext, IPCError, IPCWorker
from ipc.transports.websocket import WebSocketTransport

CONNECT_TIMEOUT_S: Final = 10.0
POST: Final[dict[str, Any]] = json.loads(post_data(0))


class LibraryBench:
    """Workers on one bridge, each with a socket of its own; use as an async context manager.

    Args:
        port: the bridge's.
        others: those that do what the first one, the publisher, asks for.

    """

    def __init__(self, port: int, others: list[IPCWorker]) -> None:
        self.publisher = IPCWorker(PUBLISHER)
        self._workers = [*others, self.publisher]
        self._url = f"ws://127.0.0.1:{port}"
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with self._stack:
            for worker in self._workers:
                await self._start(worker)
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self, worker: IPCWorker) -> None:
        await worker.start(WebSocketTransport(self._url, worker.service))
        self._stack.push_async_callback(worker.stop)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            try:
                await worker.ready()
            except IPCError as error:
                raise ConnectionRefusedError(str(error)) from error


async def drive(load: Load, one: Callable[[int], Awaitable[object]]) -> int:
    """Keep a window full of ``one`` under way until the load's number or time is over; return how many were done.

    Raises:
        ConnectionRefusedError: one of them failed.

    """
    sent = 0
    until_us = now_us() + load.seconds * 1e6

    async def repeat() -> None:
        nonlocal sent
        while sent < load.events and now_us() < until_us:
            sent += 1
            await one(sent)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(load.window):
                tasks.create_task(repeat())
    except* IPCError as errors:
        raise ConnectionRefusedError(str(errors.exceptions[0])) from errors
    return sent


class LibraryDurable(LibraryBench):
    """Durable work: one worker emits, two are members of a group."""

    def __init__(self, port: int, valkey_port: int) -> None:
        super().__init__(port, [self._member(number) for number in range(MEMBERS)])
        self._valkey_port = valkey_port
        self._latencies_us: list[int] = []
        self._sample_every = 1
        self._moved = asyncio.Event()
        self.handled = [0] * MEMBERS

    async def run(
        self,
        workload: Workload,  # noqa: ARG002 - there is but one
        load: Load,
    ) -> Measured:
        """Keep a window full of emits under way; an event that Valkey does not know as acknowledged is lost.

        Raises:
            OSError: an emit failed.

        """
        self.handled = [0] * MEMBERS
        self._latencies_us, self._sample_every = [], load.sample_every
        started_us = now_us()
        sent = await drive(load, self._emit)
        await self._wait_until_handled(sent)
        seconds = (now_us() - started_us) / 1e6
        handled = sum(self.handled)
        return Measured(
            sent=sent,
            deliveries=handled,
            lost=max(0, sent - handled) + await settled(lambda: pending(self._valkey_port)),
            repeated=max(0, handled - sent),
            seconds=seconds,
            p50_ms=percentile_ms(self._latencies_us, 0.5),
            p99_ms=percentile_ms(self._latencies_us, 0.99),
        )

    def take(self, number: int, data: dict[str, Any]) -> None:
        """Handle an event as the member of a number."""
        self.handled[number] += 1
        if self.handled[number] % self._sample_every == 0:
            self._latencies_us.append(now_us() - data["sentAt"])
        self._moved.set()

    def _member(self, number: int) -> IPCWorker:
        worker = IPCWorker(SUBSCRIBERS[0])

        @worker.on(EVENT, group=GROUP, credit=CREDIT)
        async def handle(data: dict[str, Any], _context: EventContext) -> None:
            self.take(number, data)

        return worker

    async def _emit(self, _number: int) -> None:
        await self.publisher.emit(EVENT, {**POST, "sentAt": now_us()}, target=SUBSCRIBERS[0])

    async def _wait_until_handled(self, sent: int) -> None:
        """Wait until the members have handled all, or none for a while."""
        with contextlib.suppress(TimeoutError):
            while sum(self.handled) < sent:
                self._moved.clear()
                async with asyncio.timeout(workloads.STALL_S):
                    await self._moved.wait()


class LibraryCall(LibraryBench):
    """Calls: one worker reads what another serves."""

    def __init__(self, port: int) -> None:
        owner = IPCWorker(SUBSCRIBERS[0])

        @owner.resource(RESOURCE)
        class Posts:
            async def read(self, key: str) -> dict[str, Any]:
                return {**POST, "id": key}

        super().__init__(port, [owner])

    async def run(
        self,
        workload: Workload,  # noqa: ARG002 - there is but one
        load: Load,
    ) -> Measured:
        """Keep a window full of calls under way.

        Raises:
            OSError: a call failed.

        """
        latencies_us: list[int] = []

        async def read(number: int) -> None:
            sent_at = now_us()
            await self.publisher.read(RESOURCE, key=KEY)
            if number % load.sample_every == 0:
                latencies_us.append(now_us() - sent_at)

        started_us = now_us()
        sent = await drive(load, read)
        return Measured(
            sent=sent,
            deliveries=sent,
            lost=0,
            repeated=0,
            seconds=(now_us() - started_us) / 1e6,
            p50_ms=percentile_ms(latencies_us, 0.5),
            p99_ms=percentile_ms(latencies_us, 0.99),
        )
