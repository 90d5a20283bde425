"""Curves: one value for each step, rates by the second, and gaps where nobody looked."""

from msgspec.structs import fields

from ipc.hub.series import Point, series_of
from ipc.protocol.statistics import RedisFigures, Series
from ipc.protocol.tally import Tally, Times
from ipc.stores.statistics import Sample

SAMPLE = Sample(
    at_ms=100_000, groups=[], waiting=4, pending=3, oldest_pending_ms=9, dead=2, redis=RedisFigures(used_bytes=7)
)
TALLY = Tally(
    counts={"emitted": 50, "deliveries_dead": 10},
    times={"delivery": Times(5.0, {17: 98, 33: 2})},
    gauges={"sessions exprsn-spark": 2, "sessions exprsn-live": 1, "lag_ms": 8},
)


def test_every_curve_has_a_value_for_every_step() -> None:
    points = [Point(begin_s, 0, Tally(), None) for begin_s in range(0, 300, 10)]
    curves = series_of("1h", 10, points, now_ms=1_000_000)
    for each in fields(Series):
        value = getattr(curves, each.name)
        assert not isinstance(value, list) or len(value) == 30, each.name


def test_counts_are_by_the_second_and_gauges_as_they_were() -> None:
    curves = series_of("1h", 10, [Point(100, 2, TALLY, SAMPLE), Point(110, 0, Tally(), None)], now_ms=1_000_000)
    assert (curves.at_ms, curves.emitted, curves.deliveries_dead) == ([100_000, 110_000], [5.0, 0.0], [1.0, 0.0])
    assert (curves.hubs, curves.sessions, curves.lag_ms) == ([2, 0], [3, None], [8, None])
    assert (curves.waiting, curves.dead_letters, curves.redis_bytes) == ([4, None], [2, None], [7, None])
    assert curves.delivery_p50_ms[0] < 1.2 < curves.delivery_p99_ms[0] < 20
    assert curves.delivery_p99_ms[1] == 0.0


def test_the_rates_of_a_step_under_way_are_those_of_what_has_passed() -> None:
    (rate,) = series_of("1h", 10, [Point(100, 1, TALLY, None)], now_ms=105_000).emitted
    assert rate == 10.0
    (rate,) = series_of("1h", 10, [Point(100, 1, TALLY, None)], now_ms=99_000).emitted
    assert rate == 50.0


def test_no_steps_are_no_curves() -> None:
    assert series_of("24h", 300, [], now_ms=0) == Series(span="24h", step_s=300)
