"""Sampling the mesh: one hub does it, and its failures are counted and survived."""

import pytest

from ipc.hub.counters import Counters
from ipc.hub.sampler import MAX_GROUPS, Sampler
from ipc.protocol.errors import UnavailableError
from ipc.stores.group_states import GroupState
from ipc.stores.statistics import LEASE_S, SAMPLED_TENS, Sample, begin_of
from ipc.testing.clock import ManualClock
from ipc.testing.statistics import MemoryStatistics
from ipc.testing.streams import Streams


class Groups:
    """So many groups, of which the last has most to do."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked = 0
        self.is_away = False

    async def list(self) -> list[GroupState]:
        self.asked += 1
        if self.is_away:
            raise UnavailableError("away")
        return [
            GroupState(
                service="exprsn-herald",
                group=f"g{number:03}",
                hubs=1,
                pending=number,
                lag=None if number % 2 else number,
                oldest_pending_ms=number * 10 or None,
                lost=0,
                dead=number // 100,
            )
            for number in range(self.number)
        ]


class Rig:
    def __init__(self, number: int = 3) -> None:
        self.clock = ManualClock()
        self.store = MemoryStatistics(Streams(), self.clock.now_ms)
        self.groups = Groups(number)
        self.counters = Counters()

    def sampler(self, hub: str) -> Sampler:
        return Sampler(hub, self.store, self.groups, counters=self.counters, clock=self.clock)

    async def sample(self) -> Sample | None:
        (sample,) = await self.store.samples(SAMPLED_TENS, [begin_of(SAMPLED_TENS, self.clock.now_ms())])
        return sample


async def test_one_of_two_hubs_looks_and_the_other_when_that_is_gone() -> None:
    rig = Rig()
    one, two = rig.sampler("one"), rig.sampler("two")
    await one.look()
    await two.look()
    assert rig.groups.asked == 1
    rig.clock.move_to(LEASE_S - 0.1)
    await two.look()
    assert rig.groups.asked == 1
    rig.clock.move_to(LEASE_S)
    await two.look()
    assert rig.groups.asked == 2


async def test_a_sample_has_the_sums_over_all_groups() -> None:
    rig = Rig(3)
    await rig.sampler("one").look()
    sample = await rig.sample()
    assert sample is not None
    assert (sample.waiting, sample.pending, sample.oldest_pending_ms, sample.dead) == (2, 3, 20, 0)
    assert [group.group for group in sample.groups] == ["g000", "g001", "g002"]


async def test_of_very_many_groups_those_with_most_to_do_are_kept() -> None:
    rig = Rig(1_900)
    await rig.sampler("one").look()
    sample = await rig.sample()
    assert sample is not None
    assert len(sample.groups) == MAX_GROUPS
    assert [group.group for group in sample.groups] == [f"g{number}" for number in range(1_800, 1_900)]
    assert sample.dead == sum(number // 100 for number in range(1_900))


async def test_no_groups_at_all_are_a_sample_too() -> None:
    rig = Rig(0)
    await rig.sampler("one").look()
    sample = await rig.sample()
    assert sample is not None
    assert (sample.groups, sample.oldest_pending_ms) == ([], 0)


async def test_a_look_that_fails_is_counted_and_done_again(caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig()
    sampler = rig.sampler("one")
    rig.groups.is_away = True
    await sampler.look()
    assert (rig.counters.statistics_failed, await rig.sample()) == (1, None)
    assert "groups and Redis cannot be looked at" in caplog.text
    rig.groups.is_away = False
    await sampler.look()
    assert await rig.sample() is not None
