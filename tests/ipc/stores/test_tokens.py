"""`BrokerTokenManager`: what it makes it verifies, what was revoked stays revoked, stateful tokens have a state."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, ConflictError, IPCError, TokenError, UnavailableError
from ipc.protocol.ids import new_ulid
from ipc.protocol.tokens import TokenKeys
from ipc.stores import keys
from ipc.stores.audit import Audit
from ipc.stores.connection import connect
from ipc.stores.token_records import TokenRecords
from ipc.stores.token_states import MAX_STATE_BYTES
from ipc.stores.tokens import BrokerTokenManager, Minted

KEY = "a key of these tests 0123456789 abcdef"
BASICS = ("emit:*", "subscribe:*")

MakeManager = Callable[..., BrokerTokenManager]


@pytest.fixture
def make_manager(redis_client: Redis) -> MakeManager:
    def make(key: str = KEY, **options: Any) -> BrokerTokenManager:
        return BrokerTokenManager(TokenRecords(redis_client), TokenKeys.of(key), Audit(redis_client), **options)

    return make


@pytest.fixture
def manager(make_manager: MakeManager) -> BrokerTokenManager:
    return make_manager()


async def minted(manager: BrokerTokenManager, **options: Any) -> Minted:
    return await manager.mint("timeline", **{"permissions": BASICS, "by": "test", **options})


async def code_of(manager: BrokerTokenManager, token: str, **options: Any) -> ErrorCode | None:
    try:
        await manager.verify(token, **options)
    except IPCError as error:
        return error.code
    return None


async def test_a_token_is_verified_with_what_it_was_made_with(manager: BrokerTokenManager) -> None:
    made = await minted(manager, target="bridge", rate_limit_exempt=True, data={"a": 1}, metadata={"b": 2})
    claims = await manager.verify(made.token, source="exprsn-timeline", accepted_targets=["exprsn-bridge"])
    assert claims == made.claims
    assert (claims.source, claims.target, claims.permissions) == ("exprsn-timeline", "exprsn-bridge", BASICS)
    assert (claims.rate_limit_exempt, claims.data, claims.metadata) == (True, {"a": 1}, {"b": 2})
    assert round(claims.exp - claims.iat) == 300
    assert made.token not in repr(made)


async def test_a_revoked_token_is_refused_and_its_neighbour_is_not(manager: BrokerTokenManager) -> None:
    one, other = await minted(manager), await minted(manager)
    await manager.revoke(one.claims.id, by="test")
    assert [await code_of(manager, each.token) for each in (one, other)] == [ErrorCode.TOKEN_REVOKED, None]
    assert [error and error.code for error in await manager.problems([one.claims, other.claims])] == [
        ErrorCode.TOKEN_REVOKED,
        None,
    ]


async def test_all_tokens_of_a_service_are_revoked_and_later_ones_are_not(manager: BrokerTokenManager) -> None:
    one, foreign = await minted(manager), await manager.mint("spark", permissions=BASICS, by="test")
    at_s = await manager.revoke_source("timeline", by="test")
    assert await code_of(manager, one.token) is ErrorCode.TOKEN_REVOKED
    assert await code_of(manager, foreign.token) is None
    later = await minted(BrokerTokenManager(manager._records, manager._keys, manager.audit, now_s=lambda: at_s + 0.001))
    assert await code_of(manager, later.token) is None


async def test_a_revocation_is_remembered_as_long_as_the_token_could_hold(
    manager: BrokerTokenManager, redis_client: Redis
) -> None:
    known, unknown = await minted(manager), new_ulid()
    await manager.revoke(known.claims.id, by="test")
    await manager.revoke(unknown, by="test")
    await manager.revoke_source("timeline", by="test")
    assert 299 <= await redis_client.ttl(keys.revoked(known.claims.id)) <= 305
    assert await redis_client.ttl(keys.revoked(unknown)) >= 31 * 86_400
    assert await redis_client.ttl(keys.revoked("exprsn-timeline")) >= 31 * 86_400 - 1


async def test_a_revocation_outlives_a_restart_of_redis(own_valkey: EmbeddedValkey) -> None:
    """Also one by `kill -9`: the append-only file has it."""

    async def manage() -> tuple[Redis, BrokerTokenManager]:
        client = connect(own_valkey.url)
        return client, BrokerTokenManager(TokenRecords(client), TokenKeys.of(KEY), Audit(client))

    client, manager = await manage()
    one, other, third = [await minted(manager) for _ in range(3)]
    await manager.revoke(one.claims.id, by="test")
    await manager.revoke_source("spark", by="test", before_s=third.claims.iat)
    await client.aclose()
    await asyncio.to_thread(own_valkey.kill)
    await asyncio.to_thread(own_valkey.start)
    client, manager = await manage()
    assert await code_of(manager, one.token) is ErrorCode.TOKEN_REVOKED
    assert await code_of(manager, other.token) is None
    assert await client.zscore(keys.revoked("exprsn-spark"), "before") == third.claims.iat
    await client.aclose()


async def test_without_redis_nobody_is_let_in(own_valkey: EmbeddedValkey) -> None:
    client = connect(own_valkey.url)
    manager = BrokerTokenManager(TokenRecords(client), TokenKeys.of(KEY), Audit(client))
    made = await minted(manager)
    await asyncio.to_thread(own_valkey.stop)
    with pytest.raises(UnavailableError):
        await manager.verify(made.token)
    await client.aclose()


async def test_a_renewed_token_says_the_same_and_shares_the_state(manager: BrokerTokenManager) -> None:
    old = await minted(manager, stateful=True, target="spark", data=[1])
    await manager.states.set(old.claims, b"5")
    new = await manager.renew(old.token, by="test")
    assert new.claims.id != old.claims.id
    assert (new.claims.permissions, new.claims.target, new.claims.data) == (BASICS, "exprsn-spark", [1])
    assert await manager.states.get(new.claims) == b"5"
    await manager.revoke(old.claims.id, by="test")
    with pytest.raises(TokenError):
        await manager.renew(old.token, by="test")
    assert await code_of(manager, new.token) is None


async def test_a_stateful_token_holds_while_it_is_used(make_manager: MakeManager, redis_client: Redis) -> None:
    manager = make_manager(stateful_ttl_s=60)
    made = await minted(manager, stateful=True)
    await redis_client.pexpire(keys.token(made.claims.id), 5_000)
    assert await code_of(manager, made.token) is None
    assert 59 <= await redis_client.ttl(keys.token(made.claims.id)) <= 60
    await redis_client.delete(keys.token(made.claims.id))
    assert await code_of(manager, made.token) is ErrorCode.TOKEN_EXPIRED


async def test_a_state_is_replaced_only_if_it_is_what_is_expected(manager: BrokerTokenManager) -> None:
    claims = (await minted(manager, stateful=True)).claims
    await manager.states.replace(claims, None, b"1")
    with pytest.raises(ConflictError):
        await manager.states.replace(claims, b"2", b"3")
    await manager.states.replace(claims, b"1", b"3")
    assert await manager.states.get(claims) == b"3"
    assert [await manager.states.delete(claims), await manager.states.delete(claims)] == [True, False]
    with pytest.raises(BadMessageError) as refused:
        await manager.states.set(claims, b"x" * (MAX_STATE_BYTES + 1))
    assert refused.value.code is ErrorCode.DATA_TOO_LARGE


async def test_a_token_that_is_not_stateful_has_no_state(manager: BrokerTokenManager) -> None:
    claims = (await minted(manager)).claims
    for attempt in (manager.states.get(claims), manager.states.set(claims, b"1"), manager.states.delete(claims)):
        with pytest.raises(BadMessageError):
            await attempt


async def test_what_makes_no_sense_is_not_minted(manager: BrokerTokenManager) -> None:
    for wrong in (
        {"permissions": ["emit:no"]},
        {"ttl_s": 0},
        {"ttl_s": 32 * 86_400},
        {"target": "nobody"},
        {"data": "x" * 8_000},
        {"stateful": True, "state_key": "../x"},
    ):
        with pytest.raises((TokenError, BadMessageError)):
            await minted(manager, **wrong)
    assert (await manager.find()).tokens == []


async def test_the_list_is_rid_of_what_has_expired(make_manager: MakeManager, redis_client: Redis) -> None:
    past = make_manager(now_s=lambda: 1_700_000_000.0)
    await minted(past)
    await minted(make_manager())
    assert await redis_client.zcard(keys.tokens("exprsn-timeline")) == 1


async def test_the_list_of_a_service_has_an_end(manager: BrokerTokenManager, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that end first are left out; they hold all the same."""
    monkeypatch.setattr("ipc.stores.token_records.MAX_LISTED", 3)
    made = [await minted(manager, ttl_s=60 + number) for number in range(5)]
    assert [record.claims.id for record in (await manager.find()).tokens] == [each.claims.id for each in made[2:]]
    assert await code_of(manager, made[0].token) is None


async def test_the_trail_says_who_and_what_and_never_the_token(
    manager: BrokerTokenManager, redis_client: Redis
) -> None:
    made = await minted(manager, by="operator ann")
    await manager.revoke(made.claims.id, by="operator bob")
    for _ in range(3):
        # Written down once, so that nobody fills the trail with it.
        assert await code_of(manager, made.token, by="127.0.0.1") is ErrorCode.TOKEN_REVOKED
    assert await code_of(manager, made.token[:-4] + "AAAA") is ErrorCode.TOKEN_INVALID
    rows: Any = await redis_client.xrange(keys.AUDIT)
    entries: list[dict[bytes, bytes]] = [entry for _, entry in rows]
    told = [(entry[b"action"], entry[b"by"], entry[b"subject"].decode()) for entry in entries]
    assert told == [
        (b"token.mint", b"operator ann", made.claims.id),
        (b"token.revoke", b"operator bob", made.claims.id),
        (b"token.refused", b"127.0.0.1", made.claims.id),
    ]
    assert json.loads(entries[2][b"details"])["code"] == "TOKEN_REVOKED"
    assert made.token.encode() not in b"".join(value for entry in entries for value in entry.values())
