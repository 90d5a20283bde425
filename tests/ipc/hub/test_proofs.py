"""A session ends when its token does, on every hub; a renewed one goes on, with what the new token permits."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from redis.asyncio import Redis

from exprsn.embedded import EmbeddedValkey
from ipc.hub.hub import Hub
from ipc.hub.mesh import Mesh
from ipc.protocol.errors import TokenError, UnavailableError
from ipc.protocol.tokens import Claims, TokenKeys
from ipc.stores import keys
from ipc.stores.audit import Audit
from ipc.stores.connection import connect
from ipc.stores.token_records import TokenRecords
from ipc.stores.tokens import BrokerTokenManager, Minted
from ipc.testing.audit import MemoryAudit
from ipc.testing.token_records import MemoryTokenRecords
from ipc.tracing.scope import facts
from tests.ipc.conftest import MakeHub, MakeMesh
from tests.ipc.durable import eventually
from tests.ipc.members import Member

KEYS = TokenKeys.of("a key of these tests 0123456789 abcdef")
USUAL = ("emit:*", "subscribe:*", "call:*", "serve:*", "state")

MakeTokenHub = Callable[..., Awaitable[Hub]]


def manager_on(redis: Redis) -> BrokerTokenManager:
    return BrokerTokenManager(TokenRecords(redis), KEYS, Audit(redis))


@pytest.fixture
def manager(redis_client: Redis) -> BrokerTokenManager:
    return manager_on(redis_client)


@pytest.fixture
async def hub(manager: BrokerTokenManager, make_hub: MakeHub) -> Hub:
    """A hub that ends before the client of its tokens does."""
    return await make_hub(tokens=manager)


async def minted(manager: BrokerTokenManager, **options: Any) -> Minted:
    return await manager.mint("herald", **{"permissions": USUAL, "by": "test", **options})


async def member_with(hub: Hub, made: Minted) -> Member:
    """Attach as a door does it."""
    identity = await hub.proofs.identify(made.token, service="exprsn-herald", by="test")
    member = Member(hub)
    member.session.prove(identity)
    return member


def said(member: Member, kind: str) -> list[dict[str, Any]]:
    return [message for message in member.peer.messages if message["type"] == kind]


async def test_an_identity_is_what_its_token_says(hub: Hub, manager: BrokerTokenManager) -> None:
    made = await minted(manager, rate_limit_exempt=True)
    identity = await hub.proofs.identify(made.token, service="exprsn-herald", by="test")
    assert (identity.service, identity.permissions) == ("exprsn-herald", frozenset(USUAL))
    assert identity.claims == made.claims
    with pytest.raises(TokenError):
        await hub.proofs.identify(made.token, service="exprsn-spark", by="test")
    assert hub.counters.tokens_refused == 1


async def test_a_revoked_token_closes_its_sessions_on_every_hub(make_mesh: MakeMesh) -> None:
    """On two hubs over the channel layer of production; the neighbour with another token stays."""
    one: Mesh = await make_mesh(make_tokens=manager_on)
    two: Mesh = await make_mesh(make_tokens=manager_on)
    made, other = await minted(one.hub.proofs.manager), await minted(one.hub.proofs.manager)
    members = [await member_with(mesh.hub, made) for mesh in (one, two)]
    neighbour = await member_with(two.hub, other)
    await one.hub.proofs.revoke(made.claims.id, by="test")
    for member in members:
        assert await member.peer.close_code() == 4430
        assert said(member, "notice") == [{"type": "notice", "notice": "revoked"}]
        assert said(member, "error")[0]["code"] == "TOKEN_REVOKED"
    assert await neighbour.is_well()
    assert two.hub.counters.sessions_revoked == 1


async def test_what_was_revoked_is_found_without_being_told(hub: Hub, manager: BrokerTokenManager) -> None:
    """By somebody whose message was lost, such as a command without a hub."""
    member = await member_with(hub, await minted(manager))
    await manager.revoke_source("herald", by="test")
    assert await member.peer.close_code() == 4430


async def test_hubs_tell_each_other_and_need_not_look(make_mesh: MakeMesh, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipc.hub.proofs.LOOK_S", 3_600.0)
    one: Mesh = await make_mesh(make_tokens=manager_on)
    two: Mesh = await make_mesh(make_tokens=manager_on)
    made = await minted(one.hub.proofs.manager)
    members = [await member_with(mesh.hub, made) for mesh in (one, two)]
    await one.hub.proofs.revoke(made.claims.id, by="test")
    assert [await member.peer.close_code() for member in members] == [4430, 4430]


async def test_each_hub_looks_by_itself_more_often_than_once_a_second(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is what the documentation says of how long a revoked session goes on."""
    asked: list[float] = []

    async def told_or_later(_told: asyncio.Event, later_s: float) -> None:
        asked.append(later_s)
        await asyncio.sleep(0)
        if len(asked) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr("ipc.hub.proofs.told_or_later", told_or_later)
    with pytest.raises(asyncio.CancelledError):
        await hub.proofs.watch()
    assert [later_s < 1 for later_s in asked] == [True] * 3


async def test_one_that_is_renewed_while_a_hub_looks_stays(
    hub: Hub, manager: BrokerTokenManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found out of its token before is nothing against the one that it has now."""
    old, new = await minted(manager), await minted(manager)
    member = await member_with(hub, old)
    identity = await hub.proofs.identify(new.token, service=None, by="test")
    problems = manager.problems

    async def renewed_meanwhile(tokens: Sequence[Claims]) -> list[TokenError | None]:
        found = await problems(tokens)
        member.session.prove(identity)
        return found

    monkeypatch.setattr(manager, "problems", renewed_meanwhile)
    await manager.revoke(old.claims.id, by="test")
    await hub.proofs.look()
    assert not member.session.is_closed


async def test_an_open_session_is_a_use_of_its_stateful_token(
    hub: Hub, manager: BrokerTokenManager, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipc.hub.proofs.KEEP_S", 0.0)
    made = await minted(manager, stateful=True)
    member = await member_with(hub, made)
    await redis_client.pexpire(keys.token(made.claims.id), 60_000)

    async def look() -> bool:
        await hub.proofs.look()
        return await redis_client.pttl(keys.token(made.claims.id)) > 86_400_000

    await eventually(look)
    assert not member.session.is_closed


async def test_the_line_of_a_session_that_is_closed_says_which(
    hub: Hub, manager: BrokerTokenManager, caplog: pytest.LogCaptureFixture
) -> None:
    """Though it is a task of the hub's that closes it."""
    found: list[tuple[str, str | None]] = []

    def take_down(record: logging.LogRecord) -> bool:
        found.append((record.getMessage(), facts().get("session")))
        return True

    caplog.set_level(logging.INFO)
    caplog.handler.addFilter(take_down)
    member = await member_with(hub, await minted(manager))
    await manager.revoke_source("herald", by="test")
    await member.peer.close_code()
    assert [session for line, session in found if " is closed: " in line] == [member.session.id]


async def test_a_call_in_flight_fails_when_the_session_of_its_owner_is_revoked(
    hub: Hub, manager: BrokerTokenManager
) -> None:
    made = await minted(manager)
    owner, caller = await member_with(hub, made), Member(hub, "spark")
    assert (await owner.ask(type="serve", resources=[{"name": "mails", "ops": ["read"]}]))["type"] == "ok"
    await caller.say({"type": "call", "id": "c", "op": "read", "resource": "mails"})
    await owner.peer.until(lambda: bool(said(owner, "call")))
    await hub.proofs.revoke(made.claims.id, by="test")
    await caller.peer.until(lambda: bool(said(caller, "reply")))
    error = said(caller, "reply")[0]["error"]
    assert error["code"] == "OWNER_LOST"
    assert "was shut out, its token being revoked, before it had replied" in error["message"]
    assert hub.counters.calls_shut_out == 1


async def test_a_call_of_a_session_that_is_revoked_is_cancelled_at_its_owner(
    hub: Hub, manager: BrokerTokenManager
) -> None:
    made = await minted(manager)
    owner, caller = Member(hub, "spark"), await member_with(hub, made)
    assert (await owner.ask(type="serve", resources=[{"name": "mails", "ops": ["read"]}]))["type"] == "ok"
    await caller.say({"type": "call", "id": "c", "op": "read", "resource": "mails"})
    await owner.peer.until(lambda: bool(said(owner, "call")))
    await hub.proofs.revoke(made.claims.id, by="test")
    await owner.peer.until(lambda: bool(said(owner, "cancel")))
    assert said(owner, "cancel")[0]["id"] == said(owner, "call")[0]["id"]
    assert hub.counters.calls_shut_out == 1


async def test_what_a_revoked_member_held_is_marked_and_goes_to_another(hub: Hub, manager: BrokerTokenManager) -> None:
    made = await minted(manager)
    shut_out = await member_with(hub, made)
    await shut_out.subscribe("*", group="mail")
    await Member(hub, "spark").emit("post:created", 1, id="e1", target="herald")
    await shut_out.hears(1)
    await hub.proofs.revoke(made.claims.id, by="test")
    assert await shut_out.peer.close_code() == 4430
    asking = Member(hub, "spark")

    async def group() -> dict[str, Any]:
        found: dict[str, Any] = (await asking.ask(type="status", event="e1"))["status"]["groups"][0]
        return found

    async with asyncio.timeout(10):
        while "error" not in (marked := await group()):
            pass
    assert marked["error"] == "its member was shut out, its token being revoked, before it had acknowledged"
    assert hub.counters.deliveries_shut_out == 1
    other = Member(hub, "herald")
    await other.subscribe("*", group="mail")
    assert await other.hears(1) == [1]


async def test_a_session_is_warned_and_closed_when_its_token_expires(hub: Hub, manager: BrokerTokenManager) -> None:
    member = await member_with(hub, await minted(manager, ttl_s=2))
    assert await member.peer.close_code() == 4401
    (notice,) = said(member, "notice")
    assert notice["notice"] == "token_expiring"
    assert 0 < notice["expires_in_ms"] <= 1_600
    assert said(member, "error")[0]["code"] == "TOKEN_EXPIRED"
    assert hub.counters.sessions_expired == 1


async def test_a_renewed_session_goes_on(hub: Hub, manager: BrokerTokenManager) -> None:
    old = await minted(manager, ttl_s=2)
    member = await member_with(hub, old)
    new = await minted(manager, permissions=("emit:post:*",))
    assert (await member.ask(type="auth", token=new.token))["type"] == "ok"
    await manager.revoke(old.claims.id, by="test")
    await hub.proofs.look()
    assert not member.session.is_closed
    refused = await member.ask(type="emit", event="user:updated", ack=True)
    assert refused["details"] == {"needed": "emit:user:updated"}
    assert (await member.ask(type="emit", event="post:created", ack=True))["type"] == "ok"


async def test_a_renewal_that_proves_nothing_changes_nothing(hub: Hub, manager: BrokerTokenManager) -> None:
    """Another service's, one that permits less than is in use, and none at all."""
    member = await member_with(hub, await minted(manager))
    await member.subscribe("user:*")
    assert (await member.ask(type="serve", resources=[{"name": "mails", "ops": ["read"]}]))["type"] == "ok"
    foreign = await manager.mint("spark", permissions=USUAL, by="test")
    narrow = await minted(manager, permissions=("subscribe:post:*",))
    silent = await minted(manager, permissions=("subscribe:*",))
    for token, code in (
        (foreign.token, "TOKEN_WRONG_SERVICE"),
        (narrow.token, "FORBIDDEN"),
        (silent.token, "FORBIDDEN"),
        ("a.b.c", "TOKEN_INVALID"),
    ):
        assert (await member.ask(type="auth", token=token))["code"] == code
    # It is no stranger for that.
    hub.statistics.turn()
    counts = hub.statistics.since_start.counts
    assert {name: number for name, number in counts.items() if name.startswith(("refused ", "strangers "))} == {
        "refused exprsn-herald TOKEN_WRONG_SERVICE": 1,
        "refused exprsn-herald FORBIDDEN": 2,
        "refused exprsn-herald TOKEN_INVALID": 1,
    }
    assert member.session.identity.permissions == frozenset(USUAL)
    assert (await member.ask(type="unsubscribe", events=["user:*"]))["type"] == "ok"
    assert (await member.ask(type="auth", token=narrow.token))["details"] == {"needed": "serve:mails"}
    assert (await member.ask(type="serve", resources=[]))["type"] == "ok"
    assert (await member.ask(type="auth", token=narrow.token))["type"] == "ok"


async def test_expiry_needs_no_redis_and_revocation_waits_for_it(own_valkey: EmbeddedValkey, make_hub: MakeHub) -> None:
    client = connect(own_valkey.url)
    manager = manager_on(client)
    hub = await make_hub(own_valkey.url, tokens=manager)
    brief, long = await member_with(hub, await minted(manager, ttl_s=2)), await member_with(hub, await minted(manager))
    await asyncio.to_thread(own_valkey.stop)
    assert await brief.peer.close_code() == 4401
    assert not long.session.is_closed
    with pytest.raises(UnavailableError):
        await hub.proofs.identify(KEYS.sign(long.session.identity.claims), service=None, by="t")  # type: ignore[arg-type]  # it has claims
    assert hub.counters.revocation_looks_failed > 0
    await asyncio.to_thread(own_valkey.start)
    await hub.stop()
    await client.aclose()


class TestState:
    """The message ``state``."""

    async def test_it_is_written_read_and_deleted(self, hub: Hub, manager: BrokerTokenManager) -> None:
        token = (await minted(manager, stateful=True)).token
        member = await member_with(hub, await minted(manager))
        for op, members, value in (
            ("get", {}, None),
            ("set", {"value": {"step": 1}}, {"step": 1}),
            ("get", {}, {"step": 1}),
            ("set", {"value": 2, "expected": {"step": 1}}, 2),
            ("delete", {}, None),
            ("get", {}, None),
            ("set", {"value": [3], "expected": None}, [3]),
        ):
            answer = await member.ask(type="state", op=op, token=token, **members)
            assert (answer["type"], answer.get("value")) == ("ok", value)
        conflict = await member.ask(type="state", op="set", token=token, value=1, expected=0)
        assert conflict["code"] == "CONFLICT"

    async def test_it_is_refused_to_who_may_not(self, hub: Hub, manager: BrokerTokenManager) -> None:
        stateful = await minted(manager, stateful=True)
        member = await member_with(hub, await minted(manager))
        foreign = (await manager.mint("spark", permissions=[], stateful=True, by="test")).token
        for message, code in (
            ({"op": "get", "token": foreign}, "TOKEN_WRONG_SERVICE"),
            ({"op": "get", "token": (await minted(manager)).token}, "INVALID_MESSAGE"),
            ({"op": "set", "token": stateful.token}, "INVALID_MESSAGE"),
            ({"op": "set", "token": stateful.token, "value": "x" * 262_145}, "DATA_TOO_LARGE"),
            ({"op": "drop", "token": stateful.token}, "INVALID_MESSAGE"),
            ({"op": "get", "token": "x"}, "TOKEN_INVALID"),
        ):
            assert (await member.ask(type="state", **message))["code"] == code
        lacking = Member(hub, permissions=["emit:*"])
        refused = await lacking.ask(type="state", op="get", token=stateful.token)
        assert (refused["code"], refused["details"]) == ("FORBIDDEN", {"needed": "state"})


async def test_the_twins_hold_a_hub_too(make_hub: MakeHub) -> None:
    """What ships for the tests of users: the records and the trail in memory."""
    audit = MemoryAudit()
    records = MemoryTokenRecords(lambda: time.time_ns() // 1_000_000)
    manager = BrokerTokenManager(records, KEYS, audit)
    hub = await make_hub(tokens=manager)
    made = await minted(manager)
    member = await member_with(hub, made)
    await hub.proofs.revoke(made.claims.id, by="test")
    assert await member.peer.close_code() == 4430
    assert [entry.action for entry in audit.entries] == ["token.mint", "token.revoke"]
