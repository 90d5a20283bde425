"""What a hub counts by names since it was last asked: few operations for each event, since every event passes here.

Measured with ``python -m bench.statistics``.
"""

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from ipc.hub.running_step import MAX_NAMES
from ipc.protocol.codes import ErrorCode
from ipc.protocol.latency import bucket_of_whole
from ipc.protocol.tally import (
    ACKED,
    BYPASSED,
    CALL_FAILED,
    CALLED,
    DELIVERED,
    DELIVERY,
    EMITTED,
    FAILED,
    NOBODY,
    OTHER,
    REFUSED,
    STRANGERS,
    Tally,
    Times,
    joined,
)

Row = defaultdict[str, int]
Rows = defaultdict[str, Row]

_SOURCE: Final = '"source":"'
_CODES: Final = frozenset(ErrorCode)


def _rows() -> Rows:
    return defaultdict(lambda: defaultdict(int))


class Tallies:
    """Counts under two names, and times; what is added here is bounded by how much one second brings.

    ``emitted`` goes by source and event, ``delivered`` by source and receiving service, ``called`` and ``call_failed``
    by the services of caller and owner, ``refused`` by service and code, ``strangers`` by the service that they wanted
    to be and code, ``acked`` by service and group.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self.emitted = _rows()
        self.delivered = _rows()
        self.called = _rows()
        self.call_failed = _rows()
        self.failed: Row = defaultdict(int)
        self.refused = _rows()
        self.strangers = _rows()
        self.bypassed: Row = defaultdict(int)
        self.acked = _rows()
        self.times: defaultdict[tuple[str, ...], Times] = defaultdict(Times)
        self._delivery = Times()

    # Events

    def appended(self, batch: Iterable[tuple[str, str]]) -> None:
        """Count events by their sources and names."""
        for source, event in batch:
            row = self.emitted[source]
            number = row.get(event)
            if number is not None:
                row[event] = number + 1
            elif len(row) < MAX_NAMES:
                row[event] = 1
            else:
                row[OTHER] += 1

    def rows_of(self, frames: Sequence[str]) -> list[tuple[Row, int]]:
        """Return where to add for a service that hears all of some events: what to add, for each of their sources."""
        if len(frames) == 1:
            return [(self.delivered[source_of(frames[0])], 1)]
        found: Row = defaultdict(int)
        for frame in frames:
            found[source_of(frame)] += 1
        return [(self.delivered[source], number) for source, number in found.items()]

    def handed(self, frame: str, service: str) -> None:
        """Count an event that was handed to a session of a service."""
        self.delivered[source_of(frame)][service] += 1

    def delivery_took(self, positions: Sequence[str]) -> None:
        """Count how long ago events were appended, by the clock of Redis, which their positions are of."""
        if positions:
            _took_since(self._delivery, positions)

    def acknowledged(self, service: str, group: str, positions: Sequence[str]) -> None:
        """Count events that a group has acknowledged, and how long ago they were appended."""
        if not positions:
            return
        row = self.acked[service]
        group = group if group in row or len(row) < MAX_NAMES else OTHER
        row[group] += len(positions)
        _took_since(self.times[ACKED, service, group], positions)

    # Calls

    def call_ended(self, caller: str, owner: str, code: str | None, took_s: float) -> None:
        """Count a call at its caller's hub; without an owner nobody was found, without a code it went well."""
        owner = owner or NOBODY
        self.called[caller][owner] += 1
        self.times[CALLED, owner].took(took_s * 1000)
        if code is not None:
            self.call_failed[caller][owner] += 1
            # An owner may make codes up.
            self.failed[code if code in _CODES else OTHER] += 1

    # What is not let through

    def refuse(self, service: str | None, code: ErrorCode, number: int = 1) -> None:
        """Count what a service, or whoever it was, was refused."""
        self.refused[service or NOBODY][str(code)] += number

    def refuse_stranger(self, wanted: str | None, code: ErrorCode) -> None:
        """Count a connection of who has proved nothing, and which service it wanted to be, where it has said one."""
        self.refuse(None, code)
        if wanted is not None:
            self.strangers[wanted][str(code)] += 1

    def bypass(self, kind: str) -> None:
        """Count a use of the development bypass, which was let through."""
        self.bypassed[kind] += 1

    def taken(self) -> tuple[Tally, Tally]:
        """Return what was counted since the last time, in all and by names, and begin anew."""
        totals, details = Tally(), Tally()
        for kind, rows in self._kinds():
            for first, row in rows.items():
                for second, number in row.items():
                    details.count(joined(kind, first, second), number)
                    totals.count(kind, number)
        for kind, row in ((FAILED, self.failed), (BYPASSED, self.bypassed)):
            for name, number in row.items():
                details.count(joined(kind, name), number)
                totals.count(kind, number)
        if self._delivery.buckets:
            totals.times[DELIVERY] = self._delivery
        for names, times in self.times.items():
            totals.took(names[0], times)
            details.times[joined(*names)] = times
        self._begin()
        return totals, details

    def _kinds(self) -> Iterable[tuple[str, Rows]]:
        yield EMITTED, self.emitted
        yield DELIVERED, self.delivered
        yield CALLED, self.called
        yield CALL_FAILED, self.call_failed
        yield REFUSED, self.refused
        yield STRANGERS, self.strangers
        yield ACKED, self.acked


def source_of(frame: str) -> str:
    """Return who emitted an event, from its frame as the log has it.

    Before it there are only the event's id, in which quotes are escaped, and its name, which has none.
    """
    begin = frame.find(_SOURCE) + len(_SOURCE)
    return frame[begin : frame.find('"', begin)]


def _took_since(times: Times, positions: Sequence[str]) -> None:
    now_ms = int(time.time() * 1000)
    first = positions[0]
    millisecond = first[: first.index("-") + 1]
    if positions[-1].startswith(millisecond):
        _add(times, now_ms - int(millisecond[:-1]), len(positions))
        return
    for position in positions:
        _add(times, now_ms - int(position[: position.index("-")]), 1)


def _add(times: Times, took_ms: int, number: int) -> None:
    bucket, buckets = bucket_of_whole(took_ms), times.buckets
    buckets[bucket] = buckets.get(bucket, 0) + number
    if took_ms > 0:
        times.total_ms += took_ms * number
