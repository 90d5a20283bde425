"""What a hub has counted goes into the step that it was counted in, also when Redis was away meanwhile."""

import pytest

from ipc.hub import statistics as module
from ipc.hub.counters import Counters
from ipc.hub.endpoints import Endpoints
from ipc.hub.statistics import HubStatistics
from ipc.protocol.errors import UnavailableError
from ipc.protocol.messages import CallError
from ipc.protocol.tally import Tally
from ipc.stores.statistics import DETAILED_TENS, FIVE_MINUTES, SECONDS, TENS, Steps, begin_of
from ipc.testing.clock import ManualClock
from ipc.testing.statistics import MemoryStatistics
from ipc.testing.streams import Streams


class Rig:
    """The statistics of a hub without the hub, at a time that the test moves on."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        # So that the seconds of a test are in one step of five minutes.
        self.clock._began_ms = 1_800_000_000_000
        self.store = MemoryStatistics(Streams(), self.clock.now_ms)
        self.counters = Counters()
        self.endpoints = Endpoints()
        self.lag_ms = 0
        self.statistics = HubStatistics(
            "hub",
            self.store,
            counters=self.counters,
            endpoints=self.endpoints,
            sessions={},
            lag_ms=lambda: self.lag_ms,
            clock=self.clock,
        )

    async def second(self, emitted: int = 0, *, is_written: bool = True) -> None:
        """Let a second pass in which so many events were emitted."""
        self.counters.named.appended([("exprsn-spark", "a:b")] * emitted)
        self.counters.events_appended += emitted
        self.clock.move_to(self.clock.monotonic() + 1)
        self.statistics.turn()
        if is_written:
            await self.statistics.write()

    async def tally(self, steps: Steps, *, ago_s: int = 1) -> Tally:
        (by_hub,) = await self.store.read(steps, [begin_of(steps, self.clock.now_ms() - ago_s * 1000)])
        return by_hub.get("hub", Tally())

    async def emitted(self, steps: Steps, *, ago_s: int = 1) -> int:
        return (await self.tally(steps, ago_s=ago_s)).counts.get("emitted", 0)


@pytest.fixture
def rig() -> Rig:
    return Rig()


async def test_a_second_is_written_as_what_happened_in_it(rig: Rig) -> None:
    for emitted in (3, 0, 5):
        await rig.second(emitted)
    assert [await rig.emitted(SECONDS, ago_s=ago_s) for ago_s in (3, 2, 1)] == [3, 0, 5]
    assert await rig.emitted(TENS) == 8
    assert (await rig.tally(SECONDS)).counts == {"emitted": 5, "events_appended": 5}
    assert (await rig.tally(DETAILED_TENS)).counts == {"emitted exprsn-spark a:b": 8}


async def test_long_steps_are_written_every_ten_seconds_and_at_their_end(rig: Rig) -> None:
    for _ in range(310):
        await rig.second(1)
    assert [await rig.emitted(TENS, ago_s=ago_s) for ago_s in (11, 1)] == [10, 10]
    assert await rig.emitted(FIVE_MINUTES, ago_s=11) == 300
    assert 1 <= await rig.emitted(FIVE_MINUTES) <= 10


async def test_what_could_not_be_written_is_written_later(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each second into its own step; the failures are counted."""

    async def fail(*_args: object) -> None:
        raise UnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(rig.store, "put", fail)
        for emitted in range(25):
            await rig.second(emitted)
    assert rig.counters.statistics_failed == 25
    await rig.second(25)
    assert [await rig.emitted(SECONDS, ago_s=ago_s) for ago_s in (26, 2, 1)] == [0, 24, 25]
    assert await rig.emitted(TENS, ago_s=21) == sum(range(10))
    assert not [steps for steps, _ in rig.statistics._unwritten if steps is SECONDS]


async def test_what_could_not_be_written_for_long_is_bounded(rig: Rig) -> None:
    for _ in range(1_000):
        await rig.second(1, is_written=False)
    assert len(rig.statistics._unwritten) <= module.MAX_UNWRITTEN
    await rig.statistics.write()
    assert await rig.emitted(SECONDS) == 1


async def test_redis_that_has_lost_all_gets_the_steps_under_way_whole(rig: Rig) -> None:
    for _ in range(5):
        await rig.second(2)
    rig.store.lose_everything()
    await rig.second(1)
    assert (await rig.emitted(SECONDS), await rig.emitted(TENS)) == (1, 11)


async def test_time_that_stands_still_loses_nothing(rig: Rig) -> None:
    """As in a `TestBus`: all goes into the one second."""
    for _ in range(3):
        rig.counters.named.appended([("exprsn-spark", "a:b")])
        rig.statistics.turn()
        await rig.statistics.write()
    assert await rig.emitted(SECONDS) == 3


async def test_a_hub_that_stops_writes_all_it_has(rig: Rig) -> None:
    await rig.second(1)
    await rig.second(2, is_written=False)
    rig.counters.named.appended([("exprsn-spark", "a:b")])
    await rig.statistics.close()
    assert await rig.emitted(FIVE_MINUTES) == 4


async def test_endpoints_are_counted_from_what_they_had_before(rig: Rig) -> None:
    error = CallError(code="INTERNAL", message="a bug")
    rig.endpoints.record("posts", "read", 1.0, None, service="exprsn-timeline")
    await rig.second()
    rig.endpoints.record("posts", "read", 3.0, error, service="exprsn-timeline")
    for _ in range(9):
        await rig.second()
    tally = await rig.tally(DETAILED_TENS)
    assert tally.counts == {"served exprsn-timeline posts.read": 2, "served_failed exprsn-timeline posts.read": 1}
    times = tally.times["served exprsn-timeline posts.read"]
    assert (times.count, times.total_ms) == (2, 4.0)


async def test_a_process_counts_since_its_start_without_the_names_of_events(rig: Rig) -> None:
    rig.lag_ms = 7
    for _ in range(700):
        await rig.second(2, is_written=False)
    tally = rig.statistics.since_start
    assert (tally.counts, tally.gauges) == ({"emitted exprsn-spark": 1_400}, {"lag_ms": 7})
