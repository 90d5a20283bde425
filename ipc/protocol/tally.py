"""What one hub has counted in one step of time, as it is kept in Redis: numbers under names, which can be added up."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, field

from ipc.protocol.latency import bucket_of

EMITTED: Final = "emitted"
"""Events appended: the service that emitted them, and their name."""
DELIVERED: Final = "delivered"
"""Events handed to sessions: the service that emitted them, and the one that heard them."""
CALLED: Final = "called"
"""Calls that have ended: the caller's service, and the owner's, `NOBODY` where none was found; also their times."""
CALL_FAILED: Final = "call_failed"
"""Those of them that ended with an error: likewise."""
FAILED: Final = "failed"
"""Likewise: the code of the error."""
SERVED: Final = "served"
"""Calls that owners had: the owner's service, and ``resource.op``; also their times."""
SERVED_FAILED: Final = "served_failed"
"""Those of them that ended with an error: likewise."""
REFUSED: Final = "refused"
"""Messages and connections that were refused: the service, `NOBODY` for who has proved to be none, and the code."""
STRANGERS: Final = "strangers"
"""Connections among them of who has proved nothing: the service that they wanted to be, and the code."""
BYPASSED: Final = "bypassed"
"""Uses of the development bypass: ``http`` or ``socket``."""
DELIVERY: Final = "delivery"
"""Times from an event's append until it was handed to the live sessions of a hub."""
ACKED: Final = "acked"
"""Events that groups have acknowledged: the service and the group; also their times since the append."""
SESSIONS: Final = "sessions"
"""A gauge: the service."""
LAG_MS: Final = "lag_ms"
"""A gauge: how far a hub is behind the log that it is furthest behind."""

NOBODY: Final = "nobody"
OTHER: Final = "other"
"""Stands for all names beyond those that there is room for."""

_BETWEEN: Final = " "


class Times(Struct, array_like=True):
    """How long some have taken: in all, and how many in each bucket."""

    total_ms: float = 0.0
    buckets: dict[int, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        """How many they are."""
        return sum(self.buckets.values())

    def took(self, took_ms: float) -> None:
        """Count one."""
        bucket = bucket_of(took_ms)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1
        self.total_ms += took_ms

    def add(self, other: "Times") -> None:
        """Add others."""
        self.total_ms += other.total_ms
        for bucket, count in other.buckets.items():
            self.buckets[bucket] = self.buckets.get(bucket, 0) + count


class Tally(Struct, array_like=True):
    """Numbers under names, as `joined` makes them; gauges are what was true at the end of the step."""

    counts: dict[str, int] = field(default_factory=dict)
    times: dict[str, Times] = field(default_factory=dict)
    gauges: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, number: int) -> None:
        """Add to a number."""
        self.counts[name] = self.counts.get(name, 0) + number

    def took(self, name: str, times: Times) -> None:
        """Add times."""
        self.times.setdefault(name, Times()).add(times)

    def add(self, other: "Tally") -> None:
        """Add what was counted elsewhere or at another time; gauges stay as they are."""
        for name, number in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + number
        for name, times in other.times.items():
            self.took(name, times)


def joined(*parts: str) -> str:
    """Return one name of several, none of which has a space in it."""
    return _BETWEEN.join(parts)


def parts(name: str) -> tuple[str, ...]:
    """Return what a name was joined of."""
    return tuple(name.split(_BETWEEN))


def together(tallies: Iterable[Tally]) -> Tally:
    """Return what several hubs have counted in one step; of their lags the longest, of other gauges the sum."""
    total = Tally()
    for tally in tallies:
        total.add(tally)
        for name, number in tally.gauges.items():
            before = total.gauges.get(name, 0)
            total.gauges[name] = max(before, number) if name == LAG_MS else before + number
    return total
