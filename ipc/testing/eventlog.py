"""The twin of `ipc.stores.eventlog.EventLog`, in memory."""

from collections.abc import Callable, Sequence

from ipc.protocol.positions import position_key
from ipc.stores.eventlog import REMEMBER_IDS_MS, Appended, Entry, Gap, NewEvent, Reading
from ipc.testing.streams import Streams


class MemoryEventLog:
    """The logs of one test.

    Args:
        streams: hold the entries.
        now_ms: the date in Unix milliseconds.
        maxlen: events a log keeps.
        ttl_s: seconds after which events are trimmed by `trim`.

    """

    def __init__(
        self, streams: Streams, now_ms: Callable[[], int], *, maxlen: int = 100_000, ttl_s: int = 86_400
    ) -> None:
        self.appended: list[Entry] = []
        self._streams = streams
        self._now_ms = now_ms
        self._maxlen = maxlen
        self._ttl_s = ttl_s
        self._seen: dict[tuple[str, str], tuple[str, int]] = {}

    async def append(self, log: str, events: Sequence[NewEvent]) -> Appended:
        """Append events to a log, each idempotency key once in five minutes."""
        stream, now_ms = self._streams[log], self._now_ms()
        prev, positions, repeated = stream.last, [], set()
        for index, event in enumerate(events):
            first = self._first(log, event.idempotency_key, now_ms)
            if first is None:
                entry = stream.append(event.event, event.frame, now_ms)
                self.appended.append(entry)
                self._seen[log, event.idempotency_key] = first = entry.position, now_ms + REMEMBER_IDS_MS
            else:
                repeated.add(index)
            positions.append(first[0])
        stream.keep(self._maxlen)
        return Appended(prev, positions, frozenset(repeated))

    async def last_positions(self, logs: Sequence[str]) -> list[str]:
        """Return the last position of each log, ``0-0`` for one that nothing was ever appended to."""
        return [self._streams[log].last for log in logs]

    async def lengths(self, logs: Sequence[str]) -> list[int]:
        """Return how many events each log has."""
        return [len(self._streams[log].rows) for log in logs]

    async def read(self, log: str, *, after: str, until: str = "+", count: int = 500) -> Reading:
        """Return at most ``count`` events after a position, oldest first, and whether some before them are missing."""
        stream = self._streams[log]
        entries = stream.between(after, until, count)
        trimmed_up_to = stream.rows[0][1] if stream.rows else stream.last
        if stream.find(after) or after in {stream.last, trimmed_up_to}:
            return Reading(entries, None)
        is_trimmed = position_key(after) < position_key(trimmed_up_to)
        return Reading(entries, "trimmed" if is_trimmed else "unknown_position")

    async def gap_after(self, log: str, position: str) -> Gap | None:
        """Return why events after the position are missing from the log, or None when all of them are there."""
        return (await self.read(log, after=position, count=1)).gap

    async def position_before(self, log: str, moment_ms: int) -> str:
        """Return the position after which the events since a moment come, or all that are left if some are gone."""
        return self._streams[log].before(moment_ms)

    async def trim(self, log: str) -> None:
        """Drop the events of a log that are older than its age."""
        self._streams[log].drop_before(self._now_ms() - self._ttl_s * 1000)

    def _first(self, log: str, key: str, now_ms: int) -> tuple[str, int] | None:
        """Return where an event with this key was appended first, and until when that is remembered."""
        seen = self._seen.get((log, key)) if key else None
        return seen if seen is not None and seen[1] > now_ms else None
