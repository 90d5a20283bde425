"""The durable workload through the library that services use: one `IPCWorker` emits, two are members of a group."""

import asyncio
import contextlib
import json
from typing import Any, Final, Self

from bench import workloads
from bench.durable import CREDIT, MEMBERS, pending, settled
from bench.nats import GROUP
from bench.wires import EVENT, PUBLISHER, SUBSCRIBERS, now_us, post_data
from bench.workloads import Load, Measured, Workload, percentile_ms
from ipc import EventContext, IPCError, IPCWorker
from ipc.transports.websocket import WebSocketTransport

CONNECT_TIMEOUT_S: Final = 10.0
POST: Final[dict[str, Any]] = json.loads(post_data(0))


class LibraryDurable:
    """An emitter and two members, each a worker with a socket of its own; use as an async context manager."""

    def __init__(self, port: int, valkey_port: int) -> None:
        self._url = f"ws://127.0.0.1:{port}"
        self._valkey_port = valkey_port
        self._stack = contextlib.AsyncExitStack()
        self._emitter = IPCWorker(PUBLISHER)
        self._sent = 0
        self._latencies_us: list[int] = []
        self._sample_every = 1
        self._all_handled = asyncio.Event()
        self.handled = [0] * MEMBERS

    async def __aenter__(self) -> Self:
        async with self._stack:
            for number in range(MEMBERS):
                await self._start(self._member(number))
            await self._start(self._emitter)
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

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
        self._sent, self._latencies_us, self._sample_every = 0, [], load.sample_every
        started_us = now_us()
        await self._emit_all(load)
        await self._wait_until_handled()
        seconds = (now_us() - started_us) / 1e6
        handled = sum(self.handled)
        return Measured(
            sent=self._sent,
            deliveries=handled,
            lost=max(0, self._sent - handled) + await settled(lambda: pending(self._valkey_port)),
            repeated=max(0, handled - self._sent),
            seconds=seconds,
            p50_ms=percentile_ms(self._latencies_us, 0.5),
            p99_ms=percentile_ms(self._latencies_us, 0.99),
        )

    def take(self, number: int, data: dict[str, Any]) -> None:
        """Handle an event as the member of a number."""
        self.handled[number] += 1
        if self.handled[number] % self._sample_every == 0:
            self._latencies_us.append(now_us() - data["sentAt"])
        if sum(self.handled) == self._sent:
            self._all_handled.set()

    def _member(self, number: int) -> IPCWorker:
        worker = IPCWorker(SUBSCRIBERS[0])

        @worker.on(EVENT, group=GROUP, credit=CREDIT)
        async def handle(data: dict[str, Any], _context: EventContext) -> None:
            self.take(number, data)

        return worker

    async def _start(self, worker: IPCWorker) -> None:
        await worker.start(WebSocketTransport(self._url, worker.service))
        self._stack.push_async_callback(worker.stop)
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            try:
                await worker.ready()
            except IPCError as error:
                raise ConnectionRefusedError(str(error)) from error

    async def _emit_all(self, load: Load) -> None:
        until_us = now_us() + load.seconds * 1e6

        async def repeat() -> None:
            while self._sent < load.events and now_us() < until_us:
                self._sent += 1
                await self._emitter.emit(EVENT, {**POST, "sentAt": now_us()}, target=SUBSCRIBERS[0])

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(load.window):
                    tasks.create_task(repeat())
        except* IPCError as errors:
            raise ConnectionRefusedError(str(errors.exceptions[0])) from errors

    async def _wait_until_handled(self) -> None:
        """Wait until the members have handled all, or none for a while."""
        before = -1
        while before < (handled := sum(self.handled)) < self._sent:
            before = handled
            self._all_handled.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(workloads.STALL_S):
                    await self._all_handled.wait()
