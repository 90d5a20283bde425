"""What every registry does: who is here is listed, who left is not."""

import time
from dataclasses import replace

from ipc.hub.stores import RegistryStore
from ipc.stores.registry import Registration


def registration(name: str = "exprsn-herald:01", session: str = "s1", *, age_ms: int = 0) -> Registration:
    now_ms = time.time_ns() // 1_000_000
    return Registration(
        instance=name,
        session=session,
        service="exprsn-herald",
        hub="h1",
        door="websocket",
        pid=4711,
        hostname="höst-1",
        registered_ms=now_ms - 1_000,
        last_seen_ms=now_ms - age_ms,
        last_activity_ms=now_ms - 500,
    )


async def test_what_is_put_is_listed_the_longest_unseen_first(registry: RegistryStore) -> None:
    one, other = registration(), registration("exprsn-spark:02", "s2", age_ms=5_000)
    await registry.put([one, other])
    assert await registry.list() == [other, one]


async def test_an_empty_registry_is_an_empty_list(registry: RegistryStore) -> None:
    await registry.put([])
    await registry.remove({})
    assert await registry.list() == []


async def test_a_renewal_replaces(registry: RegistryStore) -> None:
    first = registration()
    renewed = replace(first, last_seen_ms=first.last_seen_ms + 20_000, last_activity_ms=first.last_seen_ms)
    await registry.put([first])
    await registry.put([renewed])
    assert await registry.list() == [renewed]


async def test_who_leaves_is_taken_out(registry: RegistryStore) -> None:
    await registry.put([registration(), registration("exprsn-spark:02", "s2")])
    await registry.remove({"exprsn-herald:01": "s1", "exprsn-gallery:03": "s3"})
    assert [found.instance for found in await registry.list()] == ["exprsn-spark:02"]


async def test_an_instance_that_is_back_on_another_session_stays(registry: RegistryStore) -> None:
    await registry.put([registration(session="new")])
    await registry.remove({"exprsn-herald:01": "old"})
    assert [found.session for found in await registry.list()] == ["new"]
