"""The statistics of the mesh for those who read them: a window in figures, or some time as curves.

All of it comes from Redis: no process is asked, and one that has died delays nothing.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from ipc.hub.clock import Clock
from ipc.hub.series import LATEST_S, Point, series_of
from ipc.hub.tally_figures import bypasses, codes, edges, events, groups, operations, services, sessions_in, totals
from ipc.protocol.statistics import Figures, RedisFigures, Series, Span, Window
from ipc.protocol.tally import LAG_MS, Tally, together
from ipc.stores.statistics import (
    DETAILED_FIVE_MINUTES,
    DETAILED_TENS,
    FIVE_MINUTES,
    SAMPLED_FIVE_MINUTES,
    SAMPLED_TENS,
    SECONDS,
    TENS,
    Sample,
    StatisticsStore,
    Steps,
    begin_of,
)

FINE_UP_TO_S: Final = 300
SAMPLE_HOLDS_S: Final = 30


class _Curves(NamedTuple):
    steps: Steps
    sampled: Steps


_CURVES: Final[dict[Span, _Curves]] = {
    "5m": _Curves(SECONDS, SAMPLED_TENS),
    "1h": _Curves(TENS, SAMPLED_TENS),
    "24h": _Curves(FIVE_MINUTES, SAMPLED_FIVE_MINUTES),
}


class MeshFigures:
    """Reads the statistics.

    Args:
        store: where they are.
        clock: tells the date.

    """

    def __init__(self, store: StatisticsStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def window(self, seconds: Window) -> Figures:
        """Return what happened in the last seconds, and how things stand.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        now_ms = self._clock.now_ms()
        is_fine = seconds <= FINE_UP_TO_S
        counted, detailed = (TENS, DETAILED_TENS) if is_fine else (FIVE_MINUTES, DETAILED_FIVE_MINUTES)
        begins_s = _begins(detailed, now_ms, seconds)
        in_all, by_names = await self._sum(counted, begins_s), await self._sum(detailed, begins_s)
        hubs, now = await self._now(now_ms)
        sample = await self.sample()
        return Figures(
            window=seconds,
            seconds=max(1, now_ms // 1000 - begins_s[0]),
            asked_ms=now_ms,
            hubs=hubs,
            lag_ms=now.gauges.get(LAG_MS, 0),
            sessions=sessions_in(now),
            totals=totals(in_all),
            services=services(by_names, now),
            events=events(by_names),
            edges=edges(by_names),
            operations=operations(by_names),
            codes=codes(by_names),
            bypassed=bypasses(by_names),
            sampled_ms=sample.at_ms if sample is not None else None,
            groups=groups(by_names, sample.groups if sample is not None else ()),
            redis=sample.redis if sample is not None else RedisFigures(),
        )

    async def series(self, span: Span, *, after_ms: int = 0) -> Series:
        """Return curves that go back five minutes, an hour or a day, or those of their steps that begin after a time.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        now_ms = self._clock.now_ms()
        steps, sampled = _CURVES[span]
        begins_s = [begin_s for begin_s in _begins(steps, now_ms, steps.kept_s) if begin_s * 1000 > after_ms]
        if steps is SECONDS:
            begins_s = [begin_s for begin_s in begins_s if begin_s + LATEST_S <= now_ms // 1000]
        found = await self._store.read(steps, begins_s)
        sampled_s = [begin_of(sampled, begin_s * 1000) for begin_s in begins_s]
        wanted_s = list(dict.fromkeys(sampled_s))
        samples = dict(zip(wanted_s, await self._store.samples(sampled, wanted_s), strict=True))
        return series_of(
            span,
            steps.step_s,
            [
                Point(begin_s, len(by_hub), together(by_hub.values()), samples[looked_s])
                for begin_s, by_hub, looked_s in zip(begins_s, found, sampled_s, strict=True)
            ],
            now_ms=now_ms,
        )

    async def sample(self) -> Sample | None:
        """Return how groups and Redis stood when somebody looked in the last half minute, None where nobody did.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        found = await self._store.samples(SAMPLED_TENS, _begins(SAMPLED_TENS, self._clock.now_ms(), SAMPLE_HOLDS_S))
        return next((sample for sample in reversed(found) if sample is not None), None)

    async def _sum(self, steps: Steps, begins_s: Sequence[int]) -> Tally:
        total = Tally()
        for by_hub in await self._store.read(steps, begins_s):
            for tally in by_hub.values():
                total.add(tally)
        return total

    async def _now(self, now_ms: int) -> tuple[int, Tally]:
        """Return how many hubs there are, and their gauges: a hub that has died is not among them for long."""
        last_s = now_ms // 1000 - LATEST_S
        found = await self._store.read(SECONDS, [last_s - 1, last_s])
        latest = {**found[0], **found[1]}
        return len(latest), together(latest.values())


def _begins(steps: Steps, now_ms: int, seconds: int) -> list[int]:
    """Return when the steps of the last seconds begin; the last one is under way."""
    last_s = begin_of(steps, now_ms)
    return list(range(last_s - seconds // steps.step_s * steps.step_s, last_s + 1, steps.step_s))
