"""The statistics of one hub: every second what it has counted since the last, into steps of several lengths.

A step that is under way is written again with all that it has up to then. So nothing counts twice, and while Redis is
away nothing is lost but what is too old to be read.
"""

import asyncio
import logging
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from ipc.hub.clock import Clock
from ipc.hub.counters import Counters
from ipc.hub.endpoints import Endpoint, Endpoints
from ipc.hub.running_step import RunningStep
from ipc.hub.session import Session
from ipc.hub.tally_figures import PLAIN
from ipc.protocol.errors import IPCError
from ipc.protocol.tally import DELIVERY, EMITTED, LAG_MS, SERVED, SERVED_FAILED, SESSIONS, Tally, Times, joined, parts
from ipc.stores.statistics import (
    DETAILED_FIVE_MINUTES,
    DETAILED_TENS,
    FIVE_MINUTES,
    SECONDS,
    TENS,
    Entry,
    StatisticsStore,
    Steps,
    begin_of,
)

logger = logging.getLogger(__name__)

WRITTEN_WITHIN_S: Final = 0.5
"""A second is written within this after its end, at a time of chance, so that hubs do not all write at once."""
MAX_UNWRITTEN: Final = 200
SLOW: Final = frozenset({FIVE_MINUTES, DETAILED_FIVE_MINUTES})
"""Steps that are written every ten seconds, and not every second."""
SLOW_S: Final = 10


class HubStatistics:
    """Writes the statistics of one hub.

    Args:
        hub_id: of this hub.
        store: where they go.
        counters: what the hub counts.
        endpoints: how operations on resources are doing here.
        sessions: of this hub, by id.
        lag_ms: tells how far the hub is behind the log that it is furthest behind.
        clock: tells the date.

    """

    def __init__(
        self,
        hub_id: str,
        store: StatisticsStore,
        *,
        counters: Counters,
        endpoints: Endpoints,
        sessions: Mapping[str, Session],
        lag_ms: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._since_start = RunningStep(0)
        self._hub_id = hub_id
        self._store = store
        self._counters = counters
        self._plain = dict.fromkeys(PLAIN, 0)
        self._endpoints = endpoints
        self._served: dict[tuple[str, str], Endpoint] = {}
        self._sessions = sessions
        self._lag_ms = lag_ms
        self._clock = clock
        self._under_way: dict[Steps, RunningStep] = {}
        self._unwritten: dict[tuple[Steps, int], Tally] = {}
        self._slow_at_s = 0

    @property
    def since_start(self) -> Tally:
        """What was counted up to the last second, by names, except those of events; gauges are as they are now."""
        tally = self._since_start.tally
        tally.gauges.clear()
        self._measure(tally)
        return tally

    async def watch(self) -> None:
        """Write each second after its end, until cancelled."""
        while True:
            await asyncio.sleep(1.0 - time.time() % 1.0)
            self.turn()
            await asyncio.sleep(random.uniform(0.0, WRITTEN_WITHIN_S))  # noqa: S311 - spreads load, no secret
            await self.write()

    async def close(self) -> None:
        """Write what there is, because the hub stops.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        self._slow_at_s = 0
        self.turn()
        await self._store.put(self._hub_id, self._entries())

    def turn(self) -> None:
        """Take what was counted since the last time for the second that has just ended."""
        totals, details = self._taken()
        self._measure(totals)
        ended_ms = self._clock.now_ms() - 1000
        for steps, delta in (
            (SECONDS, totals),
            (TENS, totals),
            (FIVE_MINUTES, totals),
            (DETAILED_TENS, details),
            (DETAILED_FIVE_MINUTES, details),
        ):
            begin_s = begin_of(steps, ended_ms)
            step = self._under_way.get(steps)
            if step is None or step.begin_s != begin_s:
                if step is not None and steps in SLOW:
                    self._unwritten[steps, step.begin_s] = step.tally
                step = self._under_way[steps] = RunningStep(begin_s)
            step.add(delta)
            step.tally.gauges = totals.gauges
        self._note_unwritten(ended_ms // 1000)

    async def write(self) -> None:
        """Write what is not written; what cannot be written now is written with the next second."""
        try:
            entries = self._entries()
            await self._store.put(self._hub_id, entries)
        except IPCError as error:
            self._counters.statistics_failed += 1
            logger.warning("the statistics of this hub are not up to date: %s", error)
            return
        for entry in entries:
            if self._unwritten.get((entry.steps, entry.begin_s)) is entry.tally:
                del self._unwritten[entry.steps, entry.begin_s]

    def _note_unwritten(self, now_s: int) -> None:
        is_slow_due = now_s >= self._slow_at_s
        if is_slow_due:
            self._slow_at_s = now_s + SLOW_S
        for steps, step in self._under_way.items():
            if is_slow_due or steps not in SLOW:
                self._unwritten[steps, step.begin_s] = step.tally
        while len(self._unwritten) > MAX_UNWRITTEN:
            del self._unwritten[next(iter(self._unwritten))]

    def _entries(self) -> list[Entry]:
        return [Entry(steps, begin_s, tally) for (steps, begin_s), tally in self._unwritten.items()]

    def _taken(self) -> tuple[Tally, Tally]:
        """Return what was counted since the last time, in all and by names."""
        totals, details = self._counters.named.taken()
        for name, before in self._plain.items():
            number = getattr(self._counters, name)
            if number != before:
                totals.count(name, number - before)
                self._plain[name] = number
        for (resource, op), endpoint in self._endpoints.by_name.items():
            self._take_endpoint(details, resource, op, endpoint)
        self._since_start.add(_without_events(details))
        self._since_start.add(Tally(times={name: totals.times[name] for name in (DELIVERY,) if name in totals.times}))
        return totals, details

    def _measure(self, tally: Tally) -> None:
        """Set the gauges to what is true now."""
        tally.gauges[LAG_MS] = self._lag_ms()
        for service, number in Counter(session.service for session in self._sessions.values()).items():
            tally.gauges[joined(SESSIONS, service)] = number

    def _take_endpoint(self, details: Tally, resource: str, op: str, endpoint: Endpoint) -> None:
        before = self._served.get((resource, op), _NEVER)
        if endpoint.requests == before.requests:
            return
        about = (endpoint.service, f"{resource}.{op}")
        details.count(joined(SERVED, *about), endpoint.requests - before.requests)
        if endpoint.errors != before.errors:
            details.count(joined(SERVED_FAILED, *about), endpoint.errors - before.errors)
        buckets = zip(endpoint.buckets, before.buckets, strict=True)
        times = {number: now - then for number, (now, then) in enumerate(buckets) if now != then}
        details.took(joined(SERVED, *about), Times(endpoint.total_ms - before.total_ms, times))
        self._served[resource, op] = Endpoint(
            requests=endpoint.requests,
            errors=endpoint.errors,
            total_ms=endpoint.total_ms,
            buckets=endpoint.buckets.copy(),
        )


_NEVER: Final = Endpoint()


def _without_events(details: Tally) -> Tally:
    """Return counts by services, groups, operations and codes, but not by the names of events."""
    found = Tally(times=details.times)
    for name, number in details.counts.items():
        kind, *about = parts(name)
        found.count(joined(kind, about[0]) if kind == EMITTED else name, number)
    return found
