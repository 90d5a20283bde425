"""What measures a service's messages at a hub: exact over all hubs, and mostly without asking Redis."""

import asyncio
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ipc.hub.counters import Counters
from ipc.hub.meter import LEASE_S, Meter
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import UnavailableError
from ipc.stores.rate_limit import LEASE_MS, Allowance, Budget, RateLimitStore, Use
from ipc.testing.clock import ManualClock
from ipc.testing.rate_limit import MemoryRateLimits

MINUTE = Budget(name="exprsn-spark", maximum=1_000, window_ms=60_000)


class CountingLimits:
    """A store that counts how often it is asked, and may be out of reach."""

    def __init__(self, store: RateLimitStore) -> None:
        self.asked = 0
        self.is_away = False
        self._store = store

    async def take(
        self, budget: Budget, hub: str, wanted: int, uses: Sequence[Use] = (), *, is_whole: bool = False
    ) -> Allowance:
        self.asked += 1
        if self.is_away:
            raise UnavailableError("Redis is out of reach")
        return await self._store.take(budget, hub, wanted, uses, is_whole=is_whole)


class Rig:
    """Several hubs with one budget, and a clock that stands still."""

    def __init__(self, budget: Budget = MINUTE, hubs: int = 1) -> None:
        self.clock = ManualClock()
        self.store = CountingLimits(MemoryRateLimits(self.clock.now_ms))
        self.counters = Counters()
        self.warned: list[Meter] = []
        self.lent: list[int] = []
        self.meters = [
            Meter(
                budget,
                self.store,
                f"hub-{number}",
                counters=self.counters,
                on_warning=self.warned.append,
                on_lease=lambda: self.lent.append(1),
                clock=self.clock,
            )
            for number in range(hubs)
        ]

    def pass_time(self, seconds: float) -> None:
        # To the millisecond, and a little beyond, where its float may be a little before it.
        self.clock.move_to(round(self.clock.monotonic() + seconds, 4) + 1e-7)

    async def told(self, seconds: float = LEASE_S) -> None:
        """Let the leases of all hubs end, and be told."""
        self.pass_time(seconds)
        for meter in self.meters:
            await meter.tell()


async def test_the_thousand_and_first_message_within_a_minute_is_refused() -> None:
    rig = Rig()
    meter = rig.meters[0]
    for _ in range(1_000):
        assert await meter.take(1) == 1
        rig.pass_time(0.05)
    assert await meter.take(1) == 0
    error = meter.refusal()
    assert (error.code, error.retry_after_ms) == (ErrorCode.RATE_LIMIT_EXCEEDED, 10_000)
    assert (error.retryable, error.details) == (True, {"limit": 1_000, "window_ms": 60_000, "remaining": 0})
    rig.pass_time(10)
    assert await meter.take(1) == 1
    assert rig.counters.messages_limited == 1


@pytest.mark.parametrize("hubs", [1, 3])
async def test_sixteen_messages_a_second_for_ten_minutes_are_never_refused(hubs: int) -> None:
    """The limit is 16.7 a second: the original refused 5 a second where 10 were allowed."""
    rig = Rig(hubs=hubs)
    for number in range(16 * 600):
        meter = rig.meters[number % hubs]
        rig.clock.move_to(float(Fraction(number, 16)))
        for each in rig.meters:
            await each.tell()
        assert await meter.take(1) == 1, f"message {number}"


async def test_exactly_the_limit_goes_on_for_ever() -> None:
    rig = Rig()
    for number in range(3_000):
        rig.clock.move_to(float(Fraction(number * 60, 1_000)) + 1e-6)
        await rig.meters[0].tell()
        assert await rig.meters[0].take(1) == 1, f"message {number}"


async def test_a_batch_costs_as_much_as_it_has_messages_and_may_pass_in_part() -> None:
    rig = Rig()
    assert await rig.meters[0].take(999) == 999
    assert await rig.meters[0].take(2, is_whole=True) == 0
    assert await rig.meters[0].take(5) == 1
    assert rig.counters.messages_limited == 2 + 4


async def test_far_below_the_limit_redis_is_asked_a_few_times_a_second() -> None:
    rig = Rig(Budget(name="exprsn-spark/exempt", maximum=1_000_000, window_ms=60_000))
    for _ in range(10_000):
        assert await rig.meters[0].take(1) == 1
        rig.pass_time(0.0001)
    assert rig.store.asked <= 1 / LEASE_S + 2


async def test_two_hubs_together_let_through_what_one_would() -> None:
    rig = Rig(hubs=2)
    one, two = rig.meters
    passed = 0
    for _ in range(5_000):
        passed += await one.take(1)
        asked = asyncio.ensure_future(two.take(1))
        while not asked.done():
            # It waits for what the other one was lent.
            await asyncio.sleep(0)
            if rig.clock.next_alarm is not None:
                rig.clock.move_to(rig.clock.next_alarm)
                await one.tell()
        passed += asked.result()
    assert passed == 1_000


async def test_a_hub_that_has_died_with_a_lease_keeps_nobody_out_for_long() -> None:
    rig = Rig(hubs=2)
    dead, alive = rig.meters
    assert await dead.take(1) == 1
    asked = asyncio.ensure_future(alive.take(999))
    while not asked.done():
        await asyncio.sleep(0)
        if rig.clock.next_alarm is not None:
            rig.clock.move_to(rig.clock.next_alarm)
    assert asked.result() == 999
    assert rig.clock.monotonic() <= 2 * LEASE_MS / 1000


async def test_what_a_lease_let_through_is_told_with_its_own_times() -> None:
    rig = Rig()
    meter = rig.meters[0]
    await meter.take(1)
    rig.pass_time(0.01)
    assert meter.pass_now(100)
    await rig.told(LEASE_S)
    assert (rig.store.asked, meter.is_lent) == (2, False)
    rig.pass_time(59.895)
    # The first one is 60.01 s old, the hundred are not yet.
    found = await rig.store.take(MINUTE, "other", 0)
    assert found.total == 100


async def test_a_lease_ends_by_itself() -> None:
    rig = Rig()
    await rig.meters[0].take(1)
    assert rig.meters[0].pass_now(1)
    rig.pass_time(LEASE_S)
    assert not rig.meters[0].pass_now(1)


async def test_a_flood_does_not_ask_redis_for_each_refusal() -> None:
    rig = Rig()
    await rig.meters[0].take(1_000)
    assert await rig.meters[0].take(1) == 0
    asked = rig.store.asked
    for _ in range(1_000):
        assert await rig.meters[0].take(1) == 0
    assert rig.store.asked == asked
    assert rig.counters.messages_limited == 1_001


async def test_a_service_is_warned_once_a_window_at_four_fifths() -> None:
    rig = Rig()
    meter = rig.meters[0]
    for number in range(1_000):
        assert await meter.take(1) == 1
        assert len(rig.warned) == (number >= 799), number
    rig.pass_time(60)
    await meter.take(850)
    assert rig.warned == [meter, meter]


async def test_while_redis_is_away_each_hub_limits_by_itself_and_tells_it_later() -> None:
    rig = Rig(hubs=2)
    one, two = rig.meters
    rig.store.is_away = True
    assert [await one.take(600), await one.take(600), await two.take(600)] == [600, 400, 600]
    assert rig.counters.limits_unknown == 2
    rig.store.is_away = False
    await rig.told(1.0)
    found = await rig.store.take(MINUTE, "other", 1)
    assert (found.granted, found.total) == (0, 1_600)


async def test_a_cancelled_ask_forgets_no_use() -> None:
    rig = Rig()
    meter = rig.meters[0]
    await meter.take(1)
    assert meter.pass_now(50)
    rig.pass_time(LEASE_S)
    stuck = asyncio.Event()

    class Stuck:
        async def take(self, *_: object, **__: object) -> Allowance:
            stuck.set()
            await asyncio.Event().wait()
            raise AssertionError

    store, meter._store = meter._store, Stuck()
    asking = asyncio.create_task(meter.take(1))
    await stuck.wait()
    asking.cancel()
    await asyncio.wait([asking])
    meter._store = store
    await meter.tell()
    assert (await rig.store.take(MINUTE, "other", 0)).total == 51


async def test_how_the_service_stands_is_known_without_asking() -> None:
    rig = Rig()
    meter = rig.meters[0]
    assert (meter.standing.maximum, meter.standing.remaining, meter.standing.reset_ms) == (1_000, 1_000, 0)
    await meter.take(10)
    rig.pass_time(0.05)
    assert meter.pass_now(5)
    assert (meter.standing.remaining, meter.standing.reset_ms) == (985, 59_950)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 1), st.integers(1, 4)), max_size=80))
@settings(max_examples=60)
def test_hubs_refuse_what_is_too_much_and_nothing_else(asks: list[tuple[int, int, int]]) -> None:
    """Against a count of all that was let through: with a window of a second, and leases that end between asks."""
    budget = Budget(name="exprsn-atlas", maximum=12, window_ms=1_000)

    async def run() -> None:
        rig = Rig(budget, hubs=2)
        passed: list[tuple[int, int]] = []
        for later_ms, hub, wanted in asks:
            rig.clock.move_to(round(rig.clock.monotonic() + later_ms / 1000, 3) + 1e-7)
            for meter in rig.meters:
                await meter.tell()
            asking = asyncio.ensure_future(rig.meters[hub].take(wanted))
            while not asking.done():
                await asyncio.sleep(0)
                if rig.clock.next_alarm is not None:
                    rig.clock.move_to(round(rig.clock.next_alarm, 3) + 1e-7)
                    for meter in rig.meters:
                        await meter.tell()
            now = int(rig.clock.monotonic() * 1000)
            before = sum(count for at, count in passed if at > now - budget.window_ms)
            granted = asking.result()
            passed.append((now, granted))
            assert before + granted <= budget.maximum
            # Whoever waited for another hub may have been granted a part before the oldest was out of the window.
            assert granted == wanted or before + granted >= budget.maximum - wanted

    asyncio.run(run())
