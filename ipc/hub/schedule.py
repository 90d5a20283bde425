"""What a group waits for: the end of the time that members have, and of the pauses before retries."""

import heapq
import itertools
from collections.abc import Iterator
from typing import Final

from ipc.hub.delivery import Delivery

MAX_WAITING: Final = 1_000
MAX_WAITING_BYTES: Final = 16 * 1024 * 1024


class Deadlines:
    """The deliveries in members' hands, each with the time by which it has to be answered.

    All have the same time, so the order in which they begin is the order in which they end.
    """

    def __init__(self) -> None:
        self._ends: dict[Delivery, float] = {}

    @property
    def next(self) -> float | None:
        """When the first one ends."""
        return next(iter(self._ends.values()), None)

    def begin(self, delivery: Delivery, ends: float) -> None:
        """Give a delivery its time, or give it anew."""
        self._ends.pop(delivery, None)
        self._ends[delivery] = ends

    def begin_all(self, ends: float) -> None:
        """Give all their time anew."""
        self._ends = dict.fromkeys(self._ends, ends)

    def stop(self, delivery: Delivery) -> None:
        """Forget a delivery that is answered."""
        self._ends.pop(delivery, None)

    def over(self, now: float) -> list[Delivery]:
        """Return those whose time is over."""
        return list(itertools.takewhile(lambda delivery: self._ends[delivery] <= now, self._ends))


class Retries:
    """The deliveries that failed, each with the time of its next attempt."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Delivery]] = []
        self._order = itertools.count()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._due)

    def __iter__(self) -> Iterator[Delivery]:
        return (delivery for _, _, delivery in self._due)

    @property
    def is_full(self) -> bool:
        """Whether so much waits that nothing new should be taken until some of it is done."""
        return len(self._due) >= MAX_WAITING or self._bytes >= MAX_WAITING_BYTES

    @property
    def next(self) -> float | None:
        """When the first one is due."""
        return self._due[0][0] if self._due else None

    def add(self, delivery: Delivery, due: float) -> None:
        """Let a delivery wait; those that are due at the same time come in the order in which they were added."""
        heapq.heappush(self._due, (due, next(self._order), delivery))
        self._bytes += len(delivery.entry.frame)

    def take(self, now: float, count: int) -> list[Delivery]:
        """Take at most ``count`` of those that are due."""
        taken: list[Delivery] = []
        while self._due and self._due[0][0] <= now and len(taken) < count:
            taken.append(heapq.heappop(self._due)[2])
            self._bytes -= len(taken[-1].entry.frame)
        return taken

    def clear(self) -> None:
        """Forget all of them."""
        self._due.clear()
        self._bytes = 0
