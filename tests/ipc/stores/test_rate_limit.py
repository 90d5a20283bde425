"""Looking at the budgets of many services at once: as they stand, and nothing is taken of them."""

import pytest
from redis.asyncio import Redis

from ipc.protocol.errors import UnavailableError
from ipc.protocol.limits import Limits
from ipc.stores import keys
from ipc.stores.rate_limit import Allowance, Budget, RateLimits

HERALD, SPARK = (Budget.of(f"exprsn-{name}", Limits(), is_exempt=False) for name in ("herald", "spark"))
EXEMPT = Budget.of("exprsn-herald", Limits(), is_exempt=True)
ALL = [HERALD, EXEMPT, SPARK]


async def test_each_is_shown_as_it_stands_and_none_is_changed(redis_client: Redis) -> None:
    store = RateLimits(redis_client)
    lent = await store.take(HERALD, "hub-1", 5)
    await store.take(EXEMPT, "hub-1", 3)
    await store.take(EXEMPT, "hub-1", 0)
    for _ in range(2):
        herald, exempt, spark = await store.look(ALL)
        assert (herald.total, herald.kept) == (5, lent.leased)
        assert HERALD.remaining(herald) == HERALD.maximum - 5 - lent.leased
        assert (exempt.total, EXEMPT.remaining(exempt)) == (3, EXEMPT.maximum - 3)
        assert (spark.total, spark.kept, SPARK.remaining(spark)) == (0, 0, SPARK.maximum)
    peaks = await store.peaks(ALL)
    assert peaks == [5, 3, 0]


async def test_a_redis_that_does_not_know_the_script_yet_is_told(redis_client: Redis) -> None:
    await RateLimits(redis_client).take(HERALD, "hub-1", 5)
    await redis_client.script_flush()
    found = await RateLimits(redis_client).look(ALL)
    assert [each.total for each in found] == [5, 0, 0]


async def test_a_redis_that_refuses_is_said_to(redis_client: Redis) -> None:
    await redis_client.set(keys.rate(SPARK.name), "no sorted set")
    for looked in (RateLimits(redis_client).look, RateLimits(redis_client).peaks):
        with pytest.raises(UnavailableError, match="WRONGTYPE"):
            await looked(ALL)


def test_more_than_all_of_a_budget_leaves_nothing() -> None:
    """As when limits were lowered, or hubs without Redis have let more through."""
    found = Allowance(granted=0, leased=0, total=HERALD.maximum, kept=7, reset_ms=1)
    assert HERALD.remaining(found) == 0
