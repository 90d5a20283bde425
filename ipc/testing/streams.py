"""The streams that the logs and the groups of a test share, as Redis keeps them."""

import bisect
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from ipc.protocol.positions import START, position_key
from ipc.stores.eventlog import Entry

Key = tuple[int, int]


@dataclass(slots=True)
class Stream:
    """The entries of one log, oldest first, each with the position that came before it."""

    last: str = START
    keys: list[Key] = field(default_factory=list)
    rows: list[tuple[Entry, str]] = field(default_factory=list)

    def append(self, event: str, frame: str, now_ms: int) -> Entry:
        """Append an entry; its position is later than the last, also when the clock has gone back."""
        ms, seq = position_key(self.last)
        key = (now_ms, 0) if now_ms > ms else (ms, seq + 1)
        entry = Entry(f"{key[0]}-{key[1]}", event, frame)
        self.keys.append(key)
        self.rows.append((entry, self.last))
        self.last = entry.position
        return entry

    def find(self, position: str) -> Entry | None:
        """Return the entry at a position, unless it is gone or never was there."""
        key = position_key(position)
        index = bisect.bisect_left(self.keys, key)
        return self.rows[index][0] if index < len(self.keys) and self.keys[index] == key else None

    def between(self, after: str, until: str, count: int) -> list[Entry]:
        """Return at most ``count`` entries after a position, up to another or to the end (``+``)."""
        start = bisect.bisect_right(self.keys, position_key(after))
        stop = len(self.keys) if until == "+" else bisect.bisect_right(self.keys, position_key(until))
        return [entry for entry, _ in self.rows[start : min(stop, start + count)]]

    def before(self, ms: int) -> str:
        """Return the position that the first entry since a time comes after."""
        index = bisect.bisect_left(self.keys, (ms, 0))
        if index:
            return self.rows[index - 1][0].position
        return self.rows[0][1] if self.rows else self.last

    def keep(self, maxlen: int) -> None:
        """Drop the oldest entries over a number."""
        self._drop(len(self.keys) - maxlen)

    def drop_before(self, ms: int) -> None:
        """Drop the entries before a time."""
        self._drop(bisect.bisect_left(self.keys, (ms, 0)))

    def delete(self, positions: Iterable[str]) -> None:
        """Delete entries; those that are gone already are passed over."""
        gone = {position_key(position) for position in positions}
        kept = [(key, row) for key, row in zip(self.keys, self.rows, strict=True) if key not in gone]
        self.keys, self.rows = [key for key, _ in kept], [row for _, row in kept]

    def _drop(self, count: int) -> None:
        if count > 0:
            del self.keys[:count]
            del self.rows[:count]


class Streams(defaultdict[str, Stream]):
    """All streams of a test, by log."""

    def __init__(self) -> None:
        super().__init__(Stream)
