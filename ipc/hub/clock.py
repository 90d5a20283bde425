"""The time that groups go by: pauses before retries, and how long a member may take."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time, and waits until it has come."""

    def monotonic(self) -> float:
        """Return seconds that never go back, from some beginning."""

    def now_ms(self) -> int:
        """Return the date in Unix milliseconds."""

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        """Wait until the event is set, or the time has come, if one is given."""


class SystemClock:
    """The time of the machine."""

    def monotonic(self) -> float:
        """Return the seconds of `time.monotonic`."""
        return time.monotonic()

    def now_ms(self) -> int:
        """Return the date of the machine."""
        return time.time_ns() // 1_000_000

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        """Wait until the event is set, or the time has come, if one is given."""
        timeout_s = None if until is None else max(0.0, until - time.monotonic())
        try:
            async with asyncio.timeout(timeout_s):
                await event.wait()
        except TimeoutError:
            return
