"""What a hub knows of owners: read once for all who ask, old where that is better than nothing, never of the lost."""

import asyncio

import pytest

from ipc.hub import owners as owners_module
from ipc.hub.breaker import Breaker, BreakerState
from ipc.hub.owners import Directory, Owner
from ipc.protocol.errors import IPCError, UnavailableError
from ipc.stores.resources import Claim, Ownership

SERVICE = "exprsn-timeline"


def claim(name: str = "one", hub: str = "h2") -> Claim:
    return Claim(instance=f"{SERVICE}:{name}", session=name, hub=hub, address=f"at-{hub}", ops=("read",), limit=8)


class Store:
    """Claims in a test's hand: how often they were read, and a gate before each answer."""

    def __init__(self, *claims: Claim) -> None:
        self.claims = claims
        self.reads = 0
        self.is_away = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def owners(self, resource: str) -> Ownership:
        self.reads += 1
        found = Ownership(service=SERVICE if self.claims else "", claims=self.claims)
        await self.gate.wait()
        if self.is_away:
            raise UnavailableError("away")
        return found

    async def claim(self, resource: str, service: str, claim: Claim) -> str:
        raise NotImplementedError

    async def release(self, resource: str, claim: Claim) -> bool:
        raise NotImplementedError

    async def hand_over(self, resource: str, service: str, heir: str) -> str:
        raise NotImplementedError


def directory(store: Store) -> Directory:
    return Directory(store, lambda: Breaker(1, 5.0))


async def names(found: Directory, resource: str = "posts") -> list[str]:
    return sorted(owner.claim.session for owner in (await found.look_up(resource)).instances.values())


async def test_many_who_ask_at_once_are_told_by_one_reading() -> None:
    store = Store(claim())
    found = directory(store)
    assert await asyncio.gather(*(names(found) for _ in range(100))) == [["one"]] * 100
    assert store.reads == 1


async def test_a_change_that_is_told_during_a_reading_is_not_lost() -> None:
    """What is being read may be from before it, so whoever asks afterwards is told by another reading."""
    store = Store()
    store.gate.clear()
    found = directory(store)
    before = asyncio.create_task(names(found))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.claims = (claim(),)
    found.changed(["posts"])
    after = asyncio.create_task(names(found))
    await asyncio.sleep(0)
    store.gate.set()
    assert (await before, await after) == ([], ["one"])
    assert found.known("posts") is not None


async def test_what_is_known_serves_while_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """And it is asked again now and then, not with each call."""
    store = Store(claim())
    found = directory(store)
    await names(found)
    store.is_away = True
    found.changed(["posts"])
    assert found.known("posts") is None
    assert await names(found) == ["one"]
    reads = store.reads
    for _ in range(1_000):
        assert found.known("posts") is not None
        await asyncio.sleep(0)
    assert store.reads == reads
    monkeypatch.setattr(owners_module, "FRESH_S", 0.0)
    assert found.known("posts") is not None
    await asyncio.sleep(0)
    assert store.reads == reads + 1


async def test_what_was_never_known_is_unavailable_while_redis_is_away() -> None:
    store = Store()
    store.is_away = True
    with pytest.raises(UnavailableError):
        await names(directory(store))


async def test_names_that_nobody_serves_do_not_drive_out_those_that_somebody_does() -> None:
    store = Store(claim())
    found = directory(store)
    await names(found)
    store.claims = ()
    for number in range(owners_module.MAX_KNOWN + 1):
        await names(found, f"r{number}")
    assert found.known("posts") is not None
    assert [name for name, _ in found.all()] == ["posts"]


async def test_an_owner_keeps_its_breaker_and_its_count_over_readings_and_a_new_session_has_new_ones() -> None:
    store = Store(claim())
    found = directory(store)
    (owner,) = (await found.look_up("posts")).instances.values()
    owner.given()
    owner.breaker.failed(0.0)
    found.changed(["posts"])
    assert list((await found.look_up("posts")).instances.values()) == [owner]
    store.claims = (Claim(**{name: getattr(claim(), name) for name in Claim.__struct_fields__} | {"session": "new"}),)
    found.changed(["posts"])
    (renewed,) = (await found.look_up("posts")).instances.values()
    assert (renewed.in_flight, renewed.breaker.state) == (0, BreakerState.CLOSED)


async def test_a_lost_hub_is_left_out_until_it_is_heard_though_its_claims_stay_in_redis() -> None:
    """They do for a minute; without this each call would find out anew, in three seconds, that it is gone."""
    store = Store(claim("one", "h2"), claim("two", "h3"))
    found = directory(store)
    asked: list[tuple[str, str]] = []
    found.ask_lost = lambda hub, address: asked.append((hub, address))
    await names(found)
    found.lost_hub("h2")
    assert await names(found) == ["two"]
    found.changed(["posts"])
    assert await names(found) == ["two"]
    assert asked[-1] == ("h2", "at-h2")
    found.found_hub("h2")
    assert await names(found) == ["one", "two"]


@pytest.mark.parametrize(
    ("code", "had_s", "state"),
    [
        (None, 0.0, BreakerState.CLOSED),
        ("VALIDATION_FAILED", 0.0, BreakerState.CLOSED),
        ("OUT_OF_STOCK", 0.0, BreakerState.CLOSED),
        ("CANCELLED", 9.0, BreakerState.CLOSED),
        ("INTERNAL", 0.0, BreakerState.OPEN),
        ("OWNER_LOST", 0.0, BreakerState.OPEN),
        ("TIMEOUT", 1.0, BreakerState.OPEN),
        ("TIMEOUT", 0.9, BreakerState.CLOSED),
    ],
)
def test_what_counts_against_an_owner(code: str | None, had_s: float, state: BreakerState) -> None:
    """A deadline counts if the owner had a fair time: else callers in a hurry could take it away from all others."""
    owner = Owner(claim(), Breaker(1, 5.0))
    owner.given()
    owner.ended(code, had_s)
    assert (owner.breaker.state, owner.in_flight) == (state, 0)


async def test_closing_in_the_middle_of_a_reading_ends_those_who_wait() -> None:
    store = Store()
    store.gate.clear()
    found = directory(store)
    waiting = asyncio.create_task(names(found))
    await asyncio.sleep(0)
    await found.close()
    with pytest.raises(IPCError):
        await waiting
