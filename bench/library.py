"""The workloads of services through the library that they use: workers that emit, handle, call and serve."""

import asyncio
import contextlib
import json
from typing import Any, Final, Self

from bench.calls import KEY, RESOURCE
from bench.durable import CREDIT, MEMBERS, pending
from bench.nats import GROUP
from bench.tasks import Tally, drive
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


class LibraryDurable(LibraryBench):
    """Durable work: one worker emits, two are members of a group."""

    def __init__(self, port: int, valkey_port: int) -> None:
        super().__init__(port, [self._member(number) for number in range(MEMBERS)])
        self._valkey_port = valkey_port
        self.tally = Tally()

    async def run(
        self,
        workload: Workload,  # noqa: ARG002 - there is but one
        load: Load,
    ) -> Measured:
        """Keep a window full of emits under way; an event that Valkey does not know as acknowledged is lost.

        Raises:
            OSError: an emit failed.

        """
        return await self.tally.measure(load, self._emit, lambda: pending(self._valkey_port), IPCError)

    def _member(self, number: int) -> IPCWorker:
        worker = IPCWorker(SUBSCRIBERS[0])

        @worker.on(EVENT, group=GROUP, credit=CREDIT)
        async def handle(data: dict[str, Any], _context: EventContext) -> None:
            self.tally.take(number, data)

        return worker

    async def _emit(self, _number: int) -> None:
        await self.publisher.emit(EVENT, {**POST, "sentAt": now_us()}, target=SUBSCRIBERS[0])


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
        sent = await drive(load, read, IPCError)
        return Measured(
            sent=sent,
            deliveries=sent,
            lost=0,
            repeated=0,
            seconds=(now_us() - started_us) / 1e6,
            p50_ms=percentile_ms(latencies_us, 0.5),
            p99_ms=percentile_ms(latencies_us, 0.99),
        )
