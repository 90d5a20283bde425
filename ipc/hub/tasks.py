"""Background tasks with an owner, who cancels them and hears of their failures."""

import asyncio
import logging
from collections.abc import Coroutine
from contextvars import Context
from typing import Any

logger = logging.getLogger(__name__)

CANCEL_AGAIN_S = 1.0


class OwnedTasks:
    """The tasks of one owner; a task that fails is logged, `close` cancels what still runs and waits for it."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._tasks: set[asyncio.Task[None]] = set()

    def start(
        self, coroutine: Coroutine[Any, Any, None], name: str, context: Context | None = None
    ) -> "asyncio.Task[None]":
        """Run a coroutine beside its owner: in a context, or else in one of its own.

        Who happens to start a task is not whom it works for, so it belongs to no session, event or trace of theirs.
        """
        task = asyncio.create_task(coroutine, name=f"{self._owner}: {name}", context=context or Context())
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    @property
    def running(self) -> "frozenset[asyncio.Task[None]]":
        """The tasks that have not ended."""
        return frozenset(self._tasks)

    async def close(self) -> None:
        """Cancel all tasks but the one that is calling, and wait until they have ended.

        They are cancelled again until they have: a cancellation may be lost in a library on its way (seen with the
        client of Redis, in a task that began to connect as it was cancelled).
        """
        current = asyncio.current_task()
        while tasks := [task for task in self._tasks if task is not current]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks, timeout=CANCEL_AGAIN_S)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("%s failed", task.get_name(), exc_info=error)
