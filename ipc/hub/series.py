"""Curves of what was counted, step by step."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from ipc.hub.tally_figures import sessions_in
from ipc.protocol.latency import quantile_ms
from ipc.protocol.statistics import Series, Span
from ipc.protocol.tally import (
    ACKED,
    CALL_FAILED,
    CALLED,
    DELIVERED,
    DELIVERY,
    EMITTED,
    LAG_MS,
    REFUSED,
    Tally,
    Times,
)
from ipc.stores.statistics import Sample

LATEST_S: Final = 2
"""So many seconds after its begin all hubs have written a second."""
_RATES: Final = {
    "emitted": EMITTED,
    "delivered": DELIVERED,
    "acked": ACKED,
    "calls": CALLED,
    "calls_failed": CALL_FAILED,
    "refused": REFUSED,
    "deliveries_failed": "deliveries_failed",
    "deliveries_dead": "deliveries_dead",
}
_TIMES: Final = {"delivery": DELIVERY, "ack": ACKED, "call": CALLED}
_SAMPLED: Final = {
    "waiting": "waiting",
    "pending": "pending",
    "oldest_pending_ms": "oldest_pending_ms",
    "dead_letters": "dead",
}


class Point(NamedTuple):
    """A step that begins at a time: how many hubs counted, what together, and how groups and Redis stood."""

    begin_s: int
    hubs: int
    tally: Tally
    sample: Sample | None


def series_of(span: Span, step_s: int, points: Sequence[Point], *, now_ms: int) -> Series:
    """Return the curves of some steps, of which the last may be under way."""
    found = Series(span=span, step_s=step_s, at_ms=[point.begin_s * 1000 for point in points])
    for name, counted in _RATES.items():
        rates = [_rate(point, counted, step_s, now_ms) for point in points]
        setattr(found, name, rates)
    for name, timed in _TIMES.items():
        times = [point.tally.times.get(timed, Times()).buckets for point in points]
        setattr(found, f"{name}_p50_ms", [round(quantile_ms(buckets, 0.5), 3) for buckets in times])
        setattr(found, f"{name}_p99_ms", [round(quantile_ms(buckets, 0.99), 3) for buckets in times])
    found.hubs = [point.hubs for point in points]
    found.sessions = [sessions_in(point.tally) if point.hubs else None for point in points]
    found.lag_ms = [point.tally.gauges.get(LAG_MS) for point in points]
    for name, sampled in _SAMPLED.items():
        setattr(found, name, [None if point.sample is None else getattr(point.sample, sampled) for point in points])
    found.redis_bytes = [None if point.sample is None else point.sample.redis.used_bytes for point in points]
    return found


def _rate(point: Point, name: str, step_s: int, now_ms: int) -> float:
    passed_s = min(step_s, max(1.0, now_ms / 1000 - point.begin_s))
    return round(point.tally.counts.get(name, 0) / passed_s, 3)
