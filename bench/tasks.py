"""A load through a library: as many tasks as may be under way, each of which waits for its own answer."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from bench import workloads
from bench.durable import MEMBERS, settled
from bench.wires import now_us
from bench.workloads import Load, Measured, percentile_ms


async def drive(load: Load, one: Callable[[int], Awaitable[object]], failures: type[Exception]) -> int:
    """Keep a window full of ``one`` under way until the load's number or time is over; return how many were done.

    Args:
        failures: what the library raises when one fails.

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
    except* failures as errors:
        raise ConnectionRefusedError(str(errors.exceptions[0])) from errors
    return sent


class Tally:
    """What the members of a group have handled of a load."""

    def __init__(self) -> None:
        self.handled = [0] * MEMBERS
        self._latencies_us: list[int] = []
        self._sample_every = 1
        self._moved = asyncio.Event()

    def take(self, number: int, data: dict[str, Any]) -> None:
        """Take note of an event that the member of a number has handled."""
        self.handled[number] += 1
        if self.handled[number] % self._sample_every == 0:
            self._latencies_us.append(now_us() - data["sentAt"])
        self._moved.set()

    async def measure(
        self,
        load: Load,
        emit: Callable[[int], Awaitable[object]],
        unacknowledged: Callable[[], Awaitable[int]],
        failures: type[Exception],
    ) -> Measured:
        """Give a load; what the server does not know as acknowledged afterwards is lost.

        Raises:
            ConnectionRefusedError: an emit failed.

        """
        self.handled = [0] * MEMBERS
        self._latencies_us, self._sample_every = [], load.sample_every
        started_us = now_us()
        sent = await drive(load, emit, failures)
        await self._wait_until_handled(sent)
        seconds = (now_us() - started_us) / 1e6
        handled = sum(self.handled)
        return Measured(
            sent=sent,
            deliveries=handled,
            lost=max(0, sent - handled) + await settled(unacknowledged),
            repeated=max(0, handled - sent),
            seconds=seconds,
            p50_ms=percentile_ms(self._latencies_us, 0.5),
            p99_ms=percentile_ms(self._latencies_us, 0.99),
        )

    async def _wait_until_handled(self, sent: int) -> None:
        """Wait until the members have handled all, or none for a while."""
        with contextlib.suppress(TimeoutError):
            while sum(self.handled) < sent:
                self._moved.clear()
                async with asyncio.timeout(workloads.STALL_S):
                    await self._moved.wait()
