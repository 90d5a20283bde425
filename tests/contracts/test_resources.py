"""What holds for claims of resources, in Valkey and in the twin: one service has a resource, and claims run out."""

import asyncio

import pytest

from ipc.hub.stores import ResourceStore, Stores
from ipc.stores.resources import Claim, Ownership

TIMELINE, SPARK = "exprsn-timeline", "exprsn-spark"


def claim(name: str = "one", session: str = "s1", **members: object) -> Claim:
    values = {"hub": "h", "address": "a", "ops": ("read", "crêate"), "limit": 8} | members
    return Claim(instance=f"exprsn-x:{name}", session=session, **values)  # type: ignore[arg-type]  # as a test says


@pytest.fixture
def resources(stores: Stores) -> ResourceStore:
    return stores.resources


async def test_what_was_never_claimed_is_nobodys(resources: ResourceStore) -> None:
    assert await resources.owners("posts") == Ownership()
    assert await resources.hand_over("posts", TIMELINE, SPARK) == ""
    assert not await resources.release("posts", claim())


async def test_instances_of_one_service_share_a_resource(resources: ResourceStore) -> None:
    one, two = claim("one"), claim("two", "s2")
    assert [await resources.claim("posts", TIMELINE, each) for each in (one, two, one)] == [TIMELINE] * 3
    ownership = await resources.owners("posts")
    assert ownership.service == TIMELINE
    assert sorted(ownership.claims, key=lambda each: each.session) == [one, two]


async def test_another_service_is_refused_until_the_last_claim_is_released(resources: ResourceStore) -> None:
    await resources.claim("posts", TIMELINE, claim())
    assert await resources.claim("posts", SPARK, claim("spark")) == TIMELINE
    assert (await resources.owners("posts")).claims == (claim(),)
    assert await resources.release("posts", claim())
    assert await resources.claim("posts", SPARK, claim("spark")) == SPARK
    assert await resources.owners("posts") == Ownership(service=SPARK, claims=(claim("spark"),))


async def test_of_many_who_claim_at_once_one_service_has_it(resources: ResourceStore) -> None:
    services = [TIMELINE, SPARK] * 10
    owners = await asyncio.gather(
        *(resources.claim("posts", service, claim(f"{n}", f"s{n}")) for n, service in enumerate(services))
    )
    (owner,) = set(owners)
    assert len((await resources.owners("posts")).claims) == services.count(owner)


async def test_a_claim_said_again_replaces_the_one_before(resources: ResourceStore) -> None:
    await resources.claim("posts", TIMELINE, claim(address="old"))
    await resources.claim("posts", TIMELINE, claim(address="new", ops=("read",)))
    assert (await resources.owners("posts")).claims == (claim(address="new", ops=("read",)),)


async def test_an_instance_that_came_back_is_not_released_by_its_old_session(resources: ResourceStore) -> None:
    await resources.claim("posts", TIMELINE, claim(session="new"))
    assert not await resources.release("posts", claim(session="old"))
    assert len((await resources.owners("posts")).claims) == 1


async def test_an_heir_may_claim_what_is_handed_over_and_nobody_else(resources: ResourceStore) -> None:
    await resources.claim("posts", TIMELINE, claim())
    assert await resources.hand_over("posts", SPARK, SPARK) == TIMELINE
    assert await resources.claim("posts", SPARK, claim("spark")) == TIMELINE
    assert await resources.hand_over("posts", TIMELINE, SPARK) == TIMELINE
    assert await resources.claim("posts", "exprsn-herald", claim("herald")) == TIMELINE
    assert await resources.claim("posts", SPARK, claim("spark")) == SPARK
    assert (await resources.owners("posts")).claims == (claim("spark"),)
    assert await resources.claim("posts", TIMELINE, claim()) == SPARK
