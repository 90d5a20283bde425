"""Claims in Valkey: they run out when they are not renewed, and those of killed instances do not pile up."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.errors import UnavailableError
from ipc.stores import keys
from ipc.stores.connection import connect
from ipc.stores.resources import Claim, Ownership, Resources

TIMELINE, SPARK = "exprsn-timeline", "exprsn-spark"


def claim(name: str) -> Claim:
    return Claim(instance=f"exprsn-x:{name}", session=name, hub="h", address="a", ops=("read",), limit=8)


async def run_out(client: Redis, resource: str) -> None:
    """Wait until Valkey itself has dropped a resource."""
    async with asyncio.timeout(10):
        while await client.exists(keys.resource(resource)):  # noqa: ASYNC110 - Valkey tells nobody
            await asyncio.sleep(0.01)


async def test_what_is_not_renewed_runs_out(redis_client: Redis) -> None:
    resources = Resources(redis_client, ttl_s=0.05)
    await resources.claim("posts", TIMELINE, claim("one"))
    await run_out(redis_client, "posts")
    assert await resources.owners("posts") == Ownership()
    assert await resources.claim("posts", SPARK, claim("two")) == SPARK


async def test_claims_of_killed_instances_do_not_pile_up_while_others_renew_theirs(redis_client: Redis) -> None:
    brief = Resources(redis_client, ttl_s=0.05)
    for number in range(20):
        await brief.claim("posts", TIMELINE, claim(f"killed-{number}"))
    await run_out(redis_client, "posts")
    # As they would be, had another kept the hash alive: long ago by the clock of Valkey.
    stale: Any = {f"exprsn-x:{number}": '1 {"session":"x"}' for number in range(20)}
    await redis_client.hset(keys.resource("posts"), mapping=stale | {"service": TIMELINE})
    await Resources(redis_client).claim("posts", TIMELINE, claim("alive"))
    fields: Any = await redis_client.hkeys(keys.resource("posts"))
    assert sorted(fields) == [b"exprsn-x:alive", b"service"]


async def test_without_redis_it_says_so(own_valkey: EmbeddedValkey) -> None:
    own_valkey.kill()
    client = connect(own_valkey.url)
    with pytest.raises(UnavailableError):
        await Resources(client).owners("posts")
    await client.aclose()
