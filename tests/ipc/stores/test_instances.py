"""Instances in pages, of ten thousand as of none."""

import pytest
from redis.asyncio import Redis

from ipc.stores.instances import MAX_PAGE, Instances
from ipc.stores.registry import Registry
from tests.contracts.test_registry import registration
from tests.ipc.durable import eventually

MANY = 10_000


@pytest.fixture
def instances(redis_client: Redis) -> Instances:
    return Instances(redis_client)


async def test_of_none(instances: Instances) -> None:
    assert set((await instances.counts()).values()) == {0}
    assert await instances.page("exprsn-herald") == ([], 0)
    assert await instances.get("exprsn-herald:01") is None


async def test_of_many(redis_client: Redis, instances: Instances) -> None:
    """Each is on one page, in the order of the names; a page is bounded whatever is asked."""
    names = [f"exprsn-herald:{number:05}" for number in range(MANY)]
    await Registry(redis_client).put(registration(name, f"s{name}") for name in reversed(names))
    assert (await instances.counts())["exprsn-herald"] == MANY
    pages = [await instances.page("exprsn-herald", offset=at, count=MANY) for at in range(0, MANY, MAX_PAGE)]
    assert [each.instance for page in pages for each in page.instances] == names
    assert {page.total for page in pages} == {MANY}
    assert await instances.page("exprsn-herald", offset=MANY) == ([], MANY)
    found = await instances.page("exprsn-herald", text=":0999", count=3)
    assert ([each.instance[-5:] for each in found.instances], found.total) == (["09990", "09991", "09992"], 10)


async def test_one_is_what_it_said_of_itself(redis_client: Redis, instances: Instances) -> None:
    put = registration()
    await Registry(redis_client).put([put])
    assert await instances.get(put.instance) == put
    assert await instances.get("exprsn-spark:01") is None
    assert await instances.get("no service at all") is None


async def test_one_that_was_not_renewed_is_none(redis_client: Redis, instances: Instances) -> None:
    await Registry(redis_client, ttl_s=0.001).put([registration()])

    async def is_gone() -> bool:
        return await instances.get("exprsn-herald:01") is None

    await eventually(is_gone)
    assert await instances.page("exprsn-herald") == ([], 0)
    assert (await instances.counts())["exprsn-herald"] == 0
