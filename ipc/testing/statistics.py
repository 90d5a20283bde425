"""The twin of `ipc.stores.statistics.Statistics`, in memory."""

from collections import defaultdict
from collections.abc import Callable, Sequence

import msgspec

from ipc.protocol.routing import BROADCAST
from ipc.protocol.services import SERVICES
from ipc.protocol.statistics import RedisFigures
from ipc.protocol.tally import Tally
from ipc.stores.statistics import (
    LATE_S,
    LEASE_S,
    SAMPLED_FIVE_MINUTES,
    SAMPLED_TENS,
    Entry,
    Sample,
    Steps,
    begin_of,
)
from ipc.testing.streams import Streams


class MemoryStatistics:
    """The statistics of one test.

    Args:
        streams: the logs, for their lengths.
        now_ms: the date in Unix milliseconds.

    """

    def __init__(self, streams: Streams, now_ms: Callable[[], int]) -> None:
        self._streams = streams
        self._now_ms = now_ms
        self._tallies: defaultdict[tuple[Steps, int], dict[str, bytes]] = defaultdict(dict)
        self._samples: dict[tuple[Steps, int], Sample] = {}
        self._leader = ("", 0)

    async def put(self, hub: str, entries: Sequence[Entry]) -> None:
        """Write what a hub has counted."""
        for entry in entries:
            self._tallies[entry.steps, entry.begin_s][hub] = msgspec.msgpack.encode(entry.tally)
        now_s = self._now_ms() // 1000
        for steps, begin_s in [place for place in self._tallies if _is_over(*place, now_s)]:
            del self._tallies[steps, begin_s]

    async def read(self, steps: Steps, begins_s: Sequence[int]) -> list[dict[str, Tally]]:
        """Return, for each step that begins at one of some times, what each hub has counted."""
        found = [self._tallies.get((steps, begin_s), {}) for begin_s in begins_s]
        return [{hub: msgspec.msgpack.decode(value, type=Tally) for hub, value in values.items()} for values in found]

    async def lead(self, hub: str) -> bool:
        """Tell whether it is for a hub to look at what is the same for all."""
        leader, until_ms = self._leader
        now_ms = self._now_ms()
        if leader != hub and now_ms < until_ms:
            return False
        self._leader = (hub, now_ms + LEASE_S * 1000)
        return True

    async def measure(self) -> RedisFigures:
        """Return how many events each log has; there is no Redis, so no memory of it."""
        lengths = {log: len(self._streams[log].keys) for log in (BROADCAST, *SERVICES) if log in self._streams}
        return RedisFigures(log_lengths=lengths)

    async def put_sample(self, sample: Sample) -> None:
        """Write how groups and Redis stand."""
        for steps in (SAMPLED_TENS, SAMPLED_FIVE_MINUTES):
            self._samples[steps, begin_of(steps, sample.at_ms)] = sample

    async def samples(self, steps: Steps, begins_s: Sequence[int]) -> list[Sample | None]:
        """Return, for each step that begins at one of some times, the last sample that was taken in it."""
        return [self._samples.get((steps, begin_s)) for begin_s in begins_s]

    def lose_everything(self) -> None:
        """Forget all, as a Redis that has lost its data."""
        self._tallies.clear()
        self._samples.clear()


def _is_over(steps: Steps, begin_s: int, now_s: int) -> bool:
    return begin_s + steps.step_s + steps.kept_s + LATE_S < now_s
