"""What logs do not keep, on a real Valkey: losses are counted exactly and once, and risky settings are named."""

import random

import pytest
from redis.asyncio import Redis

from exprsn.embedded import EmbeddedValkey
from ipc.stores import keys
from ipc.stores.connection import connect
from ipc.stores.eventlog import EventLog, NewEvent
from ipc.stores.groups import Groups
from ipc.stores.retention import Loss, Retention

LOG, NAME = "broadcast", "exprsn-herald/notify"


async def append(redis: Redis, count: int) -> None:
    await EventLog(redis).append(LOG, [NewEvent("", "post:created", "{")] * count)


async def read(redis: Redis, count: int) -> int:
    return len(await Groups(redis).exchange(NAME, "hub", acks={}, logs=[LOG], count=count))


async def keep(redis: Redis, count: int) -> None:
    """Trim the log to its last events, as its cap does."""
    await redis.xtrim(keys.log(LOG), maxlen=count, approximate=False)


@pytest.mark.parametrize("seed", range(5))
async def test_what_is_lost_is_what_was_neither_read_nor_kept(redis_client: Redis, seed: int) -> None:
    """Against a plain count, with appends, reads, trimming and rounds of two keepers in any order."""
    rng = random.Random(seed)  # noqa: S311 - a test that can be repeated
    keepers = [Retention(redis_client), Retention(redis_client)]
    await append(redis_client, 7)
    await Groups(redis_client).create(LOG, NAME)
    await keepers[0].count_lost([LOG])
    kept, unread, lost, found = 7, 0, 0, 0
    for _ in range(60):
        what, count = rng.choice(["append", "append", "read", "keep", "count"]), rng.randrange(1, 8)
        if what == "append":
            await append(redis_client, count)
            kept, unread = kept + count, unread + count
        elif what == "read":
            # What a gap hides is counted before it is read over, as a keeper's round does while a group is behind.
            found += sum(loss.events for loss in await rng.choice(keepers).count_lost([LOG]))
            taken = await read(redis_client, count)
            assert taken == min(count, unread)
            unread -= taken
        elif what == "keep":
            await keep(redis_client, count)
            kept = min(kept, count)
            lost, unread = lost + max(0, unread - kept), min(unread, kept)
        else:
            found += sum(loss.events for loss in await rng.choice(keepers).count_lost([LOG]))
    found += sum(loss.events for loss in await keepers[0].count_lost([LOG]))
    assert found == lost
    assert (await keepers[1].lost(LOG)).get(NAME, 0) == lost


async def test_a_loss_names_the_group_that_was_behind_and_not_the_other(redis_client: Redis) -> None:
    groups, retention = Groups(redis_client), Retention(redis_client)
    await groups.create(LOG, NAME, after="0-0")
    await groups.create(LOG, "exprsn-spark/push", after="0-0")
    await append(redis_client, 10)
    await read(redis_client, 10)
    await retention.count_lost([LOG])
    await keep(redis_client, 4)
    assert await retention.count_lost([LOG, "exprsn-herald"]) == [Loss(LOG, "exprsn-spark/push", 6)]
    assert await retention.count_lost([LOG]) == []
    assert await retention.lost(LOG) == {"exprsn-spark/push": 6}


async def test_a_log_that_lost_everything_is_counted_too(redis_client: Redis) -> None:
    await append(redis_client, 3)
    await Groups(redis_client).create(LOG, NAME, after="0-0")
    await append(redis_client, 2)
    await Retention(redis_client).count_lost([LOG])
    await keep(redis_client, 0)
    assert await Retention(redis_client).count_lost([LOG]) == [Loss(LOG, NAME, 5)]


async def test_a_group_that_is_forgotten_takes_its_losses_with_it(redis_client: Redis) -> None:
    groups, retention = Groups(redis_client), Retention(redis_client)
    await groups.create(LOG, NAME, after="0-0")
    await append(redis_client, 5)
    await retention.count_lost([LOG])
    await keep(redis_client, 1)
    await retention.count_lost([LOG])
    assert await retention.lost(LOG) == {NAME: 4}
    await groups.destroy(LOG, NAME)
    await groups.create(LOG, NAME)
    assert await retention.count_lost([LOG]) == []
    assert await retention.lost(LOG) == {}


async def test_what_was_gone_before_a_group_came_is_no_loss_of_it(redis_client: Redis) -> None:
    await append(redis_client, 5)
    await keep(redis_client, 2)
    await Groups(redis_client).create(LOG, NAME, after="0-0")
    assert await Retention(redis_client).count_lost([LOG]) == []
    await keep(redis_client, 1)
    assert await Retention(redis_client).count_lost([LOG]) == [Loss(LOG, NAME, 1)]


async def test_a_log_that_does_not_exist_has_lost_nothing(redis_client: Redis) -> None:
    assert await Retention(redis_client).count_lost([LOG]) == []
    assert await Retention(redis_client).lost(LOG) == {}


async def test_a_redis_that_keeps_everything_is_not_warned_of(redis_client: Redis) -> None:
    assert await Retention(redis_client).warnings(needs_persistence=True) == []


async def test_eviction_and_missing_persistence_are_warned_of(own_valkey: EmbeddedValkey) -> None:
    """The second only where it is asked for, and not where snapshots are on."""
    client = connect(own_valkey.url)
    try:
        await client.config_set("maxmemory-policy", "allkeys-lru")
        await client.config_set("appendonly", "no")
        retention = Retention(client)
        eviction, persistence = await retention.warnings(needs_persistence=True)
        assert "set maxmemory-policy to noeviction, it is allkeys-lru" in eviction
        assert "set appendonly to yes, or save" in persistence
        assert await retention.warnings(needs_persistence=False) == [eviction]
        await client.config_set("save", "900 1")
        assert await retention.warnings(needs_persistence=True) == [eviction]
    finally:
        await client.aclose()


async def test_a_redis_that_hides_its_configuration_is_not_accused(own_valkey: EmbeddedValkey) -> None:
    """As some providers have it: CONFIG is forbidden."""
    client = connect(own_valkey.url)
    await client.config_set("appendonly", "no")
    await client.acl_setuser(
        "guest", enabled=True, passwords=["+secret"], keys=["*"], categories=["+@all"], commands=["-config"]
    )
    guest = connect(f"redis://guest:secret@127.0.0.1:{own_valkey.port}/0")
    try:
        assert await Retention(guest).warnings(needs_persistence=True) == []
    finally:
        await guest.aclose()
        await client.aclose()
