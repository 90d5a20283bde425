"""Counters of what fails: shared by all, and with an end."""

import asyncio

from redis.asyncio import Redis

from ipc.stores.attempts import Attempts

TTL_MS = 60_000


async def test_failures_are_counted_by_name(redis_client: Redis) -> None:
    attempts = Attempts(redis_client)
    await asyncio.gather(*(attempts.add(["a", "b"], ttl_ms=TTL_MS) for _ in range(20)))
    assert await attempts.add(["b", "d"], ttl_ms=TTL_MS) == [21, 1]
    assert await attempts.counts(["a", "b", "c"]) == [20, 21, 0]
    await attempts.forget("b")
    assert await attempts.counts(["a", "b"]) == [20, 0]


async def test_a_counter_ends_a_while_after_its_first_failure(redis_client: Redis) -> None:
    """Later failures do not put its end off: who goes on guessing shuts nobody out for ever."""
    attempts = Attempts(redis_client)
    await attempts.add(["a"], ttl_ms=TTL_MS)
    (key,) = await redis_client.keys("ipc:attempts:*")
    await redis_client.pexpire(key, 1_000)
    await attempts.add(["a"], ttl_ms=TTL_MS)
    assert 0 < await redis_client.pttl(key) <= 1_000
