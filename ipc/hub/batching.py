"""The one way things are sent in batches, at every hop: what waits while a send is in flight goes out in the next.

Nothing waits on a timer: an item that finds the line idle is sent at once, and under load the batches grow by
themselves.
"""

import asyncio
import logging
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Batcher(Generic[T]):
    """A bounded line of items in front of one sender.

    Args:
        send: sends a batch; what it raises is logged and the batch is lost, so it deals with its failures itself.
        capacity: the size that may wait; beyond it `is_full` says so and `room` waits.
        max_count: how many messages may wait, likewise, for items that are more than one.
        max_items: items in a batch.
        max_size: size of a batch, except that a single larger item goes alone.
        name: for logs.

    """

    def __init__(
        self,
        send: Callable[[list[T]], Awaitable[None]],
        *,
        capacity: int,
        max_count: int = sys.maxsize,
        max_items: int,
        max_size: int,
        name: str,
    ) -> None:
        self._send = send
        self._capacity = capacity
        self._max_count = max_count
        self._max_items = max_items
        self._max_size = max_size
        self._name = name
        self._waiting: deque[tuple[T, int, int]] = deque()
        self._size = 0
        self._count = 0
        self._task: asyncio.Task[None] | None = None
        self._room: asyncio.Event | None = None

    @property
    def size(self) -> int:
        """The size of what waits, what is being sent not counted."""
        return self._size

    @property
    def count(self) -> int:
        """How many messages wait, likewise."""
        return self._count

    @property
    def is_full(self) -> bool:
        """Whether more waits than the capacity."""
        return self._size > self._capacity or self._count > self._max_count

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing is being sent."""
        return self._task is None

    def put(self, item: T, size: int, count: int = 1) -> None:
        """Add an item of a given size; it never waits, so a caller that may flood looks at `is_full` or `room`."""
        self._waiting.append((item, size, count))
        self._size += size
        self._count += count
        if self._task is None:
            # In a context of its own: what puts the first item does not own what comes after it.
            self._task = asyncio.create_task(self._drain(), name=f"batcher {self._name}", context=Context())

    async def room(self) -> None:
        """Wait until at most half of the capacity waits, if more than the capacity does now."""
        if self.is_full:
            if self._room is None:
                self._room = asyncio.Event()
            await self._room.wait()

    async def flushed(self) -> None:
        """Wait until all that has been put was sent."""
        if self._task is not None:
            await asyncio.wait([self._task])

    def clear(self) -> None:
        """Forget what waits."""
        self._waiting.clear()
        self._took(self._size, self._count)

    async def close(self) -> None:
        """Forget what waits and cancel the send in flight."""
        self.clear()
        task = self._task
        if task is not None and task is not asyncio.current_task():
            task.cancel()
            await asyncio.wait([task])

    async def _drain(self) -> None:
        try:
            while self._waiting:
                batch = self._next_batch()
                try:
                    await self._send(batch)
                except Exception:
                    logger.exception("batcher %s lost %d items", self._name, len(batch))
        finally:
            self._task = None

    def _next_batch(self) -> list[T]:
        waiting = self._waiting
        if len(waiting) <= self._max_items and self._size <= self._max_size:
            batch = [item for item, _, _ in waiting]
            waiting.clear()
            self._took(self._size, self._count)
            return batch
        item, taken, taken_count = waiting.popleft()
        batch = [item]
        while waiting and len(batch) < self._max_items and taken + waiting[0][1] <= self._max_size:
            item, size, count = waiting.popleft()
            batch.append(item)
            taken += size
            taken_count += count
        self._took(taken, taken_count)
        return batch

    def _took(self, size: int, count: int) -> None:
        self._size -= size
        self._count -= count
        if self._room is not None and self._size <= self._capacity // 2 and self._count <= self._max_count // 2:
            self._room.set()
            self._room = None
