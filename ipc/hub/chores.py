"""What a hub does again and again beside its sessions; a fault of one turn ends that turn, not the chore."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from ipc.hub.counters import Counters
from ipc.hub.tasks import OwnedTasks

logger = logging.getLogger(__name__)

AGAIN_S: Final = 1.0
"""How long a chore that failed rests before it begins again."""


class Chores:
    """The chores of one hub, each a task.

    What can be foreseen, such as Redis out of reach, they get over themselves. What cannot, such as what a hub of
    another version has written, must not end for the life of the process what closes sessions of revoked tokens.

    Args:
        tasks: own them.
        counters: count the turns that fail.

    """

    def __init__(self, tasks: OwnedTasks, counters: Counters) -> None:
        self._tasks = tasks
        self._counters = counters

    def keep_up(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Run something that goes on for ever, and begin it again when it fails."""
        self._tasks.start(self._kept_up(name, run), name)

    def every(self, seconds: float, name: str, do: Callable[[], Awaitable[None]]) -> None:
        """Do something again and again, with jitter so that hubs started together do not act together."""

        async def run() -> None:
            while True:
                await asyncio.sleep(seconds * random.uniform(0.9, 1.1))  # noqa: S311 - spreads load, no secret
                await do()

        self.keep_up(name, run)

    async def _kept_up(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                return await run()
            except Exception:
                self._counters.chores_failed += 1
                logger.exception("%s met a bug; it begins again in %g s", name, AGAIN_S)
                await asyncio.sleep(AGAIN_S)


async def told_or_later(told: asyncio.Event, seconds: float) -> None:
    """Wait until an event is set, so many seconds at most, and clear it."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await told.wait()
    told.clear()
