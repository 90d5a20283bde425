"""Listing tokens: page by page over all services, each once, and never one that has expired."""

import pytest
from redis.asyncio import Redis

from ipc.protocol.errors import BadMessageError, UnknownServiceError
from ipc.protocol.ids import new_ulid
from ipc.protocol.tokens import TokenKeys
from ipc.stores.audit import Audit
from ipc.stores.token_records import TokenRecords
from ipc.stores.tokens import BrokerTokenManager

NOW_S = 1_800_000_000.0


class Clock:
    """A date that tests move."""

    now_s = NOW_S

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def manager(redis_client: Redis, clock: Clock) -> BrokerTokenManager:
    keys = TokenKeys.of("a key of these tests 0123456789 abcdef")
    return BrokerTokenManager(TokenRecords(redis_client), keys, Audit(redis_client), now_s=clock)


async def ids(manager: BrokerTokenManager, source: str | None = None, *, count: int = 2) -> list[str]:
    """Return the tokens of all pages."""
    page = await manager.find(source, count=count)
    found = [record.claims.id for record in page.tokens]
    while page.next is not None:
        page = await manager.find(source, after=page.next, count=count)
        found += [record.claims.id for record in page.tokens]
        assert len(page.tokens) <= count
    return found


async def test_tokens_are_found_page_by_page_over_all_services(manager: BrokerTokenManager) -> None:
    """Also those that expire in the same millisecond, of whichever service."""
    made = [await manager.mint(name, permissions=[], by="test") for name in ("svr", "ca", "spark", "ca", "svr")]
    found = await ids(manager)
    assert sorted(found) == sorted(each.claims.id for each in made)
    assert len(await ids(manager, "ca", count=1)) == 2
    assert await ids(manager, "herald") == []


async def test_what_has_expired_is_on_no_page(manager: BrokerTokenManager, clock: Clock) -> None:
    """Although Redis still remembers it, which has a clock of its own."""
    await manager.mint("ca", permissions=[], by="test", ttl_s=60)
    lasting = await manager.mint("ca", permissions=[], by="test", ttl_s=120)
    clock.now_s += 90
    assert await ids(manager) == [lasting.claims.id]


async def test_what_is_revoked_with_its_service_is_on_no_page(manager: BrokerTokenManager, clock: Clock) -> None:
    """And a page that has room is filled with what comes after it."""
    for _ in range(3):
        await manager.mint("ca", permissions=[], by="test")
    clock.now_s += 1
    await manager.revoke_source("ca", by="test", before_s=clock.now_s - 0.5)
    left = [await manager.mint(name, permissions=[], by="test") for name in ("ca", "ca", "spark")]
    page = await manager.find(count=2)
    assert (len(page.tokens), page.next is None) == (2, False)
    assert sorted(await ids(manager)) == sorted(each.claims.id for each in left)
    await manager.revoke_source("ca", by="test")
    assert await ids(manager) == [left[2].claims.id]


async def test_a_place_that_is_none_is_refused(manager: BrokerTokenManager) -> None:
    place = f"1-{new_ulid()}"
    for wrong in ("x", "exprsn-ca/1", f"exprsn-ca/x-{new_ulid()}", f"exprsn-no/{place}", f"exprsn-ca/{place}\0", "/"):
        with pytest.raises(BadMessageError):
            await manager.find(after=wrong)
    with pytest.raises(BadMessageError):
        await manager.find("spark", after=f"exprsn-ca/{place}")
    with pytest.raises(UnknownServiceError):
        await manager.find("../ca")
