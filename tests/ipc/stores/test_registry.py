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
    one, other = registration(), registration("exprsn-herald:02", "s2", age_ms=5_000)
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


async def test_an_entry_that_expired_is_not_listed(redis_client: Redis) -> None:
    expired = Registry(redis_client, ttl_s=0)
    await expired.put([registration()])
    await Registry(redis_client).put([registration("exprsn-herald:02")])
    assert [found.instance for found in await expired.list()] == ["exprsn-herald:02"]


async def test_nothing_of_a_service_stays_for_ever(registered: Registry, redis_client: Redis) -> None:
    """All its keys run out by themselves when nobody renews them."""
    await registered.put([registration()])
    of_service = [keys.instances, keys.instance, keys.service, keys.changes]
    lifetimes = [await redis_client.ttl(key("exprsn-herald")) for key in of_service]
    assert all(lifetime > TTL_S for lifetime in lifetimes)


async def test_a_redis_that_has_forgotten_the_script_is_told_it_again(
    registered: Registry, redis_client: Redis
) -> None:
    await registered.put([registration()])
    await redis_client.script_flush()
    assert [change.event for change in await registered.sweep(expires=True)] == ["service:online"]


async def test_an_instance_that_is_back_on_another_session_stays(registered: Registry) -> None:
    """A late goodbye of its lost connection does not take out the new one."""
    await registered.put([registration(session="new")])
    await registered.remove({"exprsn-herald:01": "old"})
    assert [found.session for found in await registered.list()] == ["new"]


async def test_a_list_is_bounded(registered: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "MAX_LISTED", 3)
    await registered.put([registration(f"exprsn-herald:{number}", age_ms=number * 100) for number in range(5)])
    assert [found.instance for found in await registered.list()] == [f"exprsn-herald:{number}" for number in (4, 3, 2)]
