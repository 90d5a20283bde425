"""The registry on a real Valkey: who is here is listed, who left is not, and who vanished expires."""

import time
from dataclasses import replace

import pytest
from redis.asyncio import Redis

from ipc.stores import keys, registry
from ipc.stores.registry import TTL_S, Registration, Registry


@pytest.fixture
def registered(redis_client: Redis) -> Registry:
    return Registry(redis_client)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def registration(name: str = "exprsn-herald:01", session: str = "s1", *, age_ms: int = 0) -> Registration:
    return Registration(
        instance=name,
        session=session,
        service="exprsn-herald",
        hub="h1",
        door="websocket",
        pid=4711,
        hostname="höst-1",
        registered_ms=now_ms() - 1_000,
        last_seen_ms=now_ms() - age_ms,
        last_activity_ms=now_ms() - 500,
    )


async def test_what_is_put_is_listed(registered: Registry) -> None:
    """Every member as it was, numbers as numbers."""
    one, other = registration(), registration("exprsn-spark:02", "s2", age_ms=5_000)
    await registered.put([one, other])
    assert await registered.list() == [other, one]


async def test_an_empty_registry_is_an_empty_list(registered: Registry) -> None:
    await registered.put([])
    await registered.remove({})
    assert await registered.list() == []


async def test_a_renewal_replaces(registered: Registry) -> None:
    first = registration()
    renewed = replace(first, last_seen_ms=first.last_seen_ms + 20_000, last_activity_ms=first.last_seen_ms)
    await registered.put([first])
    await registered.put([renewed])
    assert await registered.list() == [renewed]


async def test_an_entry_lives_for_a_minute_and_a_renewal_prolongs_it(registered: Registry, redis_client: Redis) -> None:
    key = keys.instance("exprsn-herald:01")
    await registered.put([registration()])
    assert 0 < await redis_client.ttl(key) <= TTL_S == 60
    await redis_client.expire(key, 5)
    await registered.put([registration()])
    assert await redis_client.ttl(key) > 5


async def test_an_entry_that_expired_is_not_listed(registered: Registry, redis_client: Redis) -> None:
    await registered.put([registration(), registration("exprsn-spark:02")])
    await redis_client.delete(keys.instance("exprsn-herald:01"))
    assert [found.instance for found in await registered.list()] == ["exprsn-spark:02"]


async def test_the_index_is_swept(registered: Registry, redis_client: Redis) -> None:
    """Instances that nobody renews for two minutes leave the index, so it cannot grow for ever."""
    await registered.put([registration(), registration("exprsn-spark:02", age_ms=2 * TTL_S * 1000 + 1_000)])
    await registered.list()
    assert await redis_client.zrange(keys.INSTANCES, 0, -1) == [b"exprsn-herald:01"]


async def test_who_leaves_is_taken_out(registered: Registry, redis_client: Redis) -> None:
    await registered.put([registration(), registration("exprsn-spark:02", "s2")])
    await registered.remove({"exprsn-herald:01": "s1", "exprsn-gallery:03": "s3"})
    assert [found.instance for found in await registered.list()] == ["exprsn-spark:02"]
    assert await redis_client.zrange(keys.INSTANCES, 0, -1) == [b"exprsn-spark:02"]


async def test_an_instance_that_is_back_on_another_session_stays(registered: Registry) -> None:
    """A late goodbye of its lost connection does not take out the new one."""
    await registered.put([registration(session="new")])
    await registered.remove({"exprsn-herald:01": "old"})
    assert [found.session for found in await registered.list()] == ["new"]


async def test_a_list_is_bounded(registered: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_LISTED", 3)
    await registered.put([registration(f"exprsn-herald:{number}", age_ms=number * 100) for number in range(5)])
    assert [found.instance for found in await registered.list()] == [f"exprsn-herald:{number}" for number in (4, 3, 2)]
