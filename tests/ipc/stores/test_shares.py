"""The shares of hubs on a real Valkey: they hold while they are written, and run out by themselves."""

from redis.asyncio import Redis

from ipc.stores import keys
from ipc.stores.shares import TTL_S, Share, Shares
from tests.ipc.hub.test_discovery import owner, share


async def test_what_is_put_is_listed_and_can_be_taken_back(redis_client: Redis) -> None:
    shares = Shares(redis_client)
    assert await shares.list() == []
    one, other = share("h1", owner("h1", "exprsn-spark:01")), share("h2")
    for each in (one, other):
        assert not await shares.put(each)
    assert sorted(await shares.list(), key=lambda found: found.hub) == [one, other]
    await shares.remove("h1")
    assert await shares.list() == [other]


async def test_who_writes_again_hears_whether_the_last_one_was_lost(redis_client: Redis) -> None:
    shares, mine = Shares(redis_client), Share(hub="h1", endpoints=[], owners=[])
    await shares.put(mine)
    assert await shares.put(mine)
    await redis_client.flushall()
    assert not await shares.put(mine)


async def test_a_share_that_nobody_writes_again_runs_out(redis_client: Redis) -> None:
    """And its hub is not looked for any more."""
    await Shares(redis_client).put(share("h1"))
    assert 0 < await redis_client.ttl(keys.share("h1")) <= TTL_S
    await redis_client.delete(keys.share("h1"))
    assert await Shares(redis_client).list() == []
    await redis_client.zadd(keys.HUBS, {"h1": 1})
    assert await Shares(redis_client).list() == []
    assert await redis_client.zcard(keys.HUBS) == 0
