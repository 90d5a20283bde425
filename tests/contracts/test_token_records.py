"""What is remembered of tokens, on Valkey and on the twin alike."""

import time
from typing import Any

import pytest

from ipc.protocol.ids import new_ulid
from ipc.protocol.tokens import Claims
from ipc.stores.token_records import TokenRecord, TokenRecordStore
from tests.contracts.backends import Backend

TTL_MS = 60_000


@pytest.fixture
async def records(backend: Backend) -> TokenRecordStore:
    return backend.token_records()


def now_s() -> float:
    return round(time.time(), 3)


def claims(**changes: Any) -> Claims:
    told = {"id": new_ulid(), "source": "exprsn-spark", "iat": now_s(), "exp": now_s() + 60, **changes}
    return Claims(**told)


async def put(records: TokenRecordStore, *tokens: Claims, ttl_ms: int = TTL_MS) -> None:
    for token in tokens:
        record = TokenRecord(claims=token, by="test")
        await records.put(record, ttl_ms=ttl_ms, now_ms=int(now_s() * 1000))


async def revoked(records: TokenRecordStore, *tokens: Claims) -> list[bool]:
    return [standing.is_revoked for standing in await records.standings(tokens)]


async def test_what_is_put_is_read_until_it_ends(records: TokenRecordStore) -> None:
    long, brief = (claims(stateful=True, state_key=new_ulid()) for _ in range(2))
    await put(records, long)
    await put(records, brief, ttl_ms=1)
    assert await records.get(long.id) == TokenRecord(claims=long, by="test")
    while await records.get(brief.id) is not None:
        pass
    assert not await records.touch(brief.id, ttl_ms=TTL_MS)
    assert await records.touch(long.id, ttl_ms=TTL_MS)
    assert [standing.is_on_record for standing in await records.standings([long, brief])] == [True, False]


async def test_a_revoked_token_is_revoked_and_no_other(records: TokenRecordStore) -> None:
    one, other, unknown = claims(), claims(), claims()
    await put(records, one, other)
    await records.revoke(one.id, ttl_ms=TTL_MS)
    await records.revoke(unknown.id, ttl_ms=TTL_MS)
    assert await revoked(records, one, other, unknown) == [True, False, True]
    assert await records.get(one.id) is None
    assert await records.standings([]) == []


async def test_one_that_is_revoked_is_found_among_many(records: TokenRecordStore) -> None:
    many = [claims(stateful=not number % 2, state_key=new_ulid()) for number in range(450)]
    await put(records, *many[:-1])
    await records.revoke(many[201].id, ttl_ms=TTL_MS)
    await records.revoke(many[448].id, ttl_ms=TTL_MS)
    standings = await records.standings(many)
    assert [at for at, standing in enumerate(standings) if standing.is_revoked] == [201, 448]
    # The last one was never put, but is not stateful, and the one before it went with its revocation.
    assert [at for at, standing in enumerate(standings) if not standing.is_on_record] == [448]


async def test_all_of_a_service_that_were_issued_by_a_time_are_revoked(records: TokenRecordStore) -> None:
    """Also in the same second, and an earlier time does not take that back."""
    at_s = now_s()
    before, just, after = (claims(iat=at_s + shift) for shift in (-0.001, 0, 0.001))
    foreign = claims(iat=at_s - 1, source="exprsn-herald")
    await records.revoke_source("exprsn-spark", before_s=at_s)
    await records.revoke_source("exprsn-spark", before_s=at_s - 5)
    assert await revoked(records, before, just, after, foreign) == [True, True, False, False]


async def test_tokens_are_listed_page_by_page_by_their_end(records: TokenRecordStore) -> None:
    tokens = [claims(exp=now_s() + 60 + number // 2) for number in range(7)]
    await put(records, *tokens, claims(source="exprsn-herald"))
    await records.revoke(tokens[3].id, ttl_ms=TTL_MS)
    seen: list[str] = []
    after = ""
    while page := await records.page("exprsn-spark", after=after, count=2, now_ms=int(now_s() * 1000)):
        seen += [record.claims.id for record in page]
        after = f"{int(page[-1].claims.exp * 1000)}-{page[-1].claims.id}"
    left = [token for token in tokens if token is not tokens[3]]
    assert seen == [token.id for token in sorted(left, key=lambda token: (int(token.exp * 1000), token.id))]


async def test_what_is_revoked_with_its_service_is_on_no_page(records: TokenRecordStore) -> None:
    """However many of them come first, and the pages of what is left go on as ever."""
    at_s = now_s()
    ended = [claims(iat=at_s - 1 + number % 2, exp=at_s + 60 + number / 1000) for number in range(450)]
    left = [claims(iat=at_s + 0.001, exp=at_s + 60 + number / 5) for number in range(5)]
    foreign = claims(iat=at_s - 1, source="exprsn-herald")
    await put(records, *ended, *left, foreign)
    await records.revoke_source("exprsn-spark", before_s=at_s)
    seen: list[str] = []
    after = ""
    while page := await records.page("exprsn-spark", after=after, count=2, now_ms=int(at_s * 1000)):
        assert len(page) == 2 or len(seen) == 4
        seen += [record.claims.id for record in page]
        after = f"{int(page[-1].claims.exp * 1000)}-{page[-1].claims.id}"
    assert seen == [token.id for token in left]
    (other,) = await records.page("exprsn-herald", after="", count=2, now_ms=int(at_s * 1000))
    assert other.claims == foreign


async def test_a_name_is_used_for_the_first_time_once(records: TokenRecordStore) -> None:
    assert await records.is_first_use("a", ttl_ms=TTL_MS)
    assert not await records.is_first_use("a", ttl_ms=TTL_MS)
    assert await records.is_first_use("b", ttl_ms=TTL_MS)


async def test_a_state_is_written_replaced_and_deleted(records: TokenRecordStore) -> None:
    assert await records.state("s") is None
    assert not await records.replace_state("s", b"1", b"2", ttl_ms=TTL_MS)
    assert await records.replace_state("s", None, b"1", ttl_ms=TTL_MS)
    assert not await records.replace_state("s", None, b"2", ttl_ms=TTL_MS)
    assert await records.replace_state("s", b"1", b"", ttl_ms=TTL_MS)
    assert await records.state("s") == b""
    assert await records.replace_state("s", b"", b"3", ttl_ms=TTL_MS)
    await records.set_state("s", b"4", ttl_ms=TTL_MS)
    assert await records.state("s") == b"4"
    assert [await records.delete_state("s"), await records.delete_state("s")] == [True, False]
    assert await records.state("s") is None
