"""How many messages a service may send, on Valkey and on the twin alike."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.stores.rate_limit import Budget, RateLimitStore
from ipc.testing.rate_limit import MemoryRateLimits
from tests.contracts.backends import Backend

BUDGET = Budget(name="exprsn-spark", maximum=1_000, window_ms=60_000)


@pytest.fixture
async def limits(backend: Backend) -> RateLimitStore:
    return backend.rate_limits()


async def test_the_thousand_and_first_within_a_minute_is_refused(limits: RateLimitStore) -> None:
    granted = [(await limits.take(BUDGET, f"hub-{number % 2}", 1)).granted for number in range(900)]
    assert granted == [1] * 900
    # What the last hub was lent is kept back for it, until it tells what became of it.
    for hub in ("hub-0", "hub-1"):
        await limits.take(BUDGET, hub, 0)
    for number in range(100):
        found = await limits.take(BUDGET, "hub-0", 1)
        assert (found.granted, found.total) == (1, 901 + number)
    refused = await limits.take(BUDGET, "hub-0", 1)
    assert (refused.granted, refused.leased, refused.total, refused.kept) == (0, 0, 1_000, 0)
    assert 0 < refused.reset_ms <= BUDGET.window_ms


async def test_a_batch_costs_as_much_as_it_has_messages(limits: RateLimitStore) -> None:
    assert (await limits.take(BUDGET, "hub", 998)).granted == 998
    assert (await limits.take(BUDGET, "hub", 5, is_whole=True)).granted == 0
    assert (await limits.take(BUDGET, "hub", 5)).granted == 2


async def test_what_is_as_old_as_the_window_counts_no_more(limits: RateLimitStore) -> None:
    aged = [(BUDGET.window_ms, 400), (BUDGET.window_ms - 30_000, 500), (0, 300)]
    found = await limits.take(BUDGET, "hub", 0, aged)
    assert found.total == 800
    assert 29_000 < found.reset_ms <= 30_000


async def test_a_refused_whole_hears_when_there_is_enough_for_it(limits: RateLimitStore) -> None:
    await limits.take(BUDGET, "hub", 0, [(50_000, 10), (40_000, 500), (1, 490)])
    one = await limits.take(BUDGET, "hub", 1, is_whole=True)
    many = await limits.take(BUDGET, "hub", 100, is_whole=True)
    assert 9_000 < one.reset_ms <= 10_000
    assert 19_000 < many.reset_ms <= 20_000


async def test_a_lease_is_kept_back_from_others_and_given_back(limits: RateLimitStore) -> None:
    lent = (await limits.take(BUDGET, "one", 1)).leased
    assert 0 < lent < 1_000
    others = await limits.take(BUDGET, "two", 1_000)
    assert (others.granted, others.kept) == (999 - lent, lent)
    # Used in part, and told.
    await limits.take(BUDGET, "one", 0, [(5, 10)])
    rest = await limits.take(BUDGET, "two", 1_000)
    assert (rest.granted, rest.kept, rest.total) == (lent - 10, 0, 1_000)


async def test_no_lease_goes_over_the_mark_at_which_a_service_is_warned(limits: RateLimitStore) -> None:
    before = await limits.take(BUDGET, "hub", 790)
    assert before.total + before.leased == BUDGET.mark - 1


async def test_the_lease_of_a_hub_that_says_nothing_more_runs_out(limits: RateLimitStore) -> None:
    assert (await limits.take(BUDGET, "dead", 1)).leased
    granted = 1
    async with asyncio.timeout(10):
        while granted < 1_000:
            granted += (await limits.take(BUDGET, "alive", 1_000)).granted
    assert (await limits.take(BUDGET, "alive", 1)).granted == 0


async def test_budgets_do_not_share(limits: RateLimitStore) -> None:
    exempt = Budget(name="exprsn-spark/exempt", maximum=1_000, window_ms=60_000)
    other = Budget(name="exprsn-herald", maximum=1_000, window_ms=60_000)
    for budget in (BUDGET, exempt, other):
        assert (await limits.take(budget, "hub", 1_000)).granted == 1_000


async def test_what_was_refused_costs_nothing(limits: RateLimitStore) -> None:
    small = Budget(name="exprsn-atlas", maximum=2, window_ms=200)
    assert (await limits.take(small, "hub", 2)).granted == 2
    refusals = 0
    async with asyncio.timeout(10):
        while (await limits.take(small, "hub", 1)).granted == 0:
            refusals += 1
    assert refusals > 0


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["one", "two", "three"]), st.integers(1, 7), st.booleans()),
        max_size=60,
    )
)
def test_no_window_ever_has_more_than_the_maximum(asks: list[tuple[int, str, int, bool]]) -> None:
    """Against a count of what was let through, also when each hub uses up all that it is lent, and dies or tells."""
    budget = Budget(name="exprsn-vault", maximum=10, window_ms=100)
    now, passed = 1_000_000, list[tuple[int, int]]()
    limits = MemoryRateLimits(lambda: now)
    used: dict[str, list[tuple[int, int]]] = {}

    async def ask() -> None:
        nonlocal now
        for later, hub, wanted, is_whole in asks:
            now += later
            told = [(now - at, count) for at, count in used.pop(hub, [])]
            found = await limits.take(budget, hub, wanted, told, is_whole=is_whole)
            passed.append((now, found.granted))
            if found.leased:
                used[hub] = [(now, found.leased)]
                passed.append((now, found.leased))
            in_window = sum(count for at, count in passed if at > now - budget.window_ms)
            assert in_window <= budget.maximum
            if found.granted < wanted and not is_whole and not found.kept:
                assert in_window == budget.maximum

    asyncio.run(ask())
