"""Rate limits as sessions meet them: what counts, who shares a budget, and what they are told."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from ipc.hub.hub import Hub
from ipc.hub.requests import COUNTED
from ipc.hub.session import Identity
from ipc.protocol.limits import Limits
from ipc.protocol.messages import AnyClientMessage
from ipc.protocol.permissions import USUAL
from ipc.protocol.tokens import Claims
from ipc.stores import keys
from ipc.stores.connection import connect
from ipc.stores.rate_limit import RateLimits
from tests.ipc.conftest import MakeHub
from tests.ipc.members import Member

LIMITS = Limits(drain_ms=1, rate_max=10, rate_exempt_max=20, rate_window_ms=60_000)
PAST_S, FUTURE_S = 1.0, 1e11


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def hub(redis: Redis, make_hub: MakeHub) -> Hub:
    return await make_hub(limits=LIMITS, rate_limits=RateLimits(redis))


def exempt(hub: Hub, service: str = "herald") -> Member:
    """Attach somebody whose token is exempt."""
    member = Member(hub, service)
    token_id = "0" * 26
    claims = Claims(id=token_id, source=member.session.service, iat=PAST_S, exp=FUTURE_S, rate_limit_exempt=True)
    identity = Identity(service=member.session.service, permissions=frozenset(USUAL), claims=claims)
    member.session.prove(identity)
    return member


async def emitted(member: Member, count: int) -> list[dict[str, Any]]:
    """Emit so many events one by one, and return the answers."""
    return [await member.ask(type="emit", event="a:b", ack=True) for _ in range(count)]


def codes(answers: list[dict[str, Any]]) -> list[str]:
    return [answer.get("code", "ok") for answer in answers]


async def test_what_is_too_much_is_refused_and_says_when_to_come_back(hub: Hub) -> None:
    answers = await emitted(Member(hub), 12)
    assert codes(answers) == ["ok"] * 10 + ["RATE_LIMIT_EXCEEDED"] * 2
    error = answers[-1]
    assert error["retryable"] is True
    assert 0 < error["retry_after_ms"] <= 60_000
    assert error["details"] == {"limit": 10, "window_ms": 60_000, "remaining": 0}
    assert "exprsn-herald may send 10 messages in any 60 s" in error["message"]
    assert (hub.counters.messages_limited, hub.counters.events_appended) == (2, 10)


async def test_every_ok_says_how_much_is_left(hub: Hub) -> None:
    assert [answer["remaining"] for answer in await emitted(Member(hub), 10)] == [*range(9, -1, -1)]


async def test_without_limits_nothing_is_said_of_them(make_hub: MakeHub) -> None:
    assert "remaining" not in (await emitted(Member(await make_hub()), 1))[0]


async def test_all_sessions_of_a_service_share_its_budget_and_no_other_does(hub: Hub) -> None:
    one, two, spark = Member(hub), Member(hub), Member(hub, "spark")
    assert codes(await emitted(one, 6) + await emitted(two, 6)) == ["ok"] * 10 + ["RATE_LIMIT_EXCEEDED"] * 2
    assert codes(await emitted(spark, 1)) == ["ok"]


async def test_hubs_share_the_budget(hub: Hub, make_hub: MakeHub, redis: Redis) -> None:
    other = await make_hub(limits=LIMITS, rate_limits=RateLimits(redis))
    one, two = Member(hub), Member(other)
    answers = [answer for _ in range(8) for member in (one, two) for answer in await emitted(member, 1)]
    assert codes(answers) == ["ok"] * 10 + ["RATE_LIMIT_EXCEEDED"] * 6


async def test_a_frame_costs_what_it_has_and_what_is_beyond_is_refused_one_by_one(hub: Hub) -> None:
    member = Member(hub)
    await member.subscribe("*")
    emits = [{"type": "emit", "event": "a:b", "id": f"e-{number}", "data": number} for number in range(12)]
    await member.say(*emits[:4], {"type": "ping", "id": "p"}, *emits[4:])
    refused = [await member.answer(f"e-{number}") for number in range(9, 12)]
    assert codes(refused) == ["RATE_LIMIT_EXCEEDED"] * 3
    assert await member.hears(9) == [*range(9)]
    assert (await member.answer("p"))["type"] == "pong"


COSTLY: list[dict[str, Any]] = [
    {"type": "emit", "event": "a:b", "ack": True},
    {"type": "subscribe", "events": ["a:b"]},
    {"type": "call", "resource": "posts", "op": "read"},
    {"type": "jsonlex", "expression": 1, "context": None},
    {"type": "serve", "resources": [{"name": "posts", "ops": ["read"]}]},
    {"type": "state", "op": "get", "token": "x.y.z"},
    {"type": "status", "event": "e"},
    {"type": "services"},
    {"type": "explain", "event": "a:b"},
    {"type": "declare", "events": [{"event": "a:b", "schema": {}}]},
    {"type": "operation", "op": "list"},
]
FREE: list[dict[str, Any]] = [
    {"type": "ping"},
    {"type": "unsubscribe", "events": ["a:b"]},
    {"type": "ack", "deliveries": ["d"]},
    {"type": "nack", "deliveries": ["d"], "reason": "r"},
    {"type": "progress", "deliveries": ["d"]},
    {"type": "reply", "id": "r", "data": 1},
    {"type": "cancel", "id": "c"},
    {"type": "pong", "sent": 0},
    {"type": "auth", "token": "x.y.z"},
]


@pytest.mark.parametrize("message", COSTLY, ids=lambda message: message["type"])
async def test_what_makes_work_for_others_counts(hub: Hub, message: dict[str, Any]) -> None:
    member = Member(hub)
    await emitted(member, 10)
    await member.say({**message, "id": "late"})
    await member.peer.until(lambda: any(said.get("id") == "late" for said in member.peer.messages))
    answer = next(said for said in member.peer.messages if said.get("id") == "late")
    assert (answer["type"], answer["code"]) == ("error", "RATE_LIMIT_EXCEEDED")


@pytest.mark.parametrize("message", FREE, ids=lambda message: message["type"])
async def test_answers_and_heartbeats_cost_nothing(hub: Hub, message: dict[str, Any]) -> None:
    member = Member(hub)
    for _ in range(15):
        await member.say(message)
    assert codes(await emitted(member, 10)) == ["ok"] * 10


def test_every_message_either_counts_or_is_known_not_to() -> None:
    def name(kind: Any) -> Any:
        return msgspec.inspect.type_info(kind).tag  # type: ignore[attr-defined]  # a struct, which has one

    counted = {name(kind) for kind in COUNTED}
    assert counted == {message["type"] for message in COSTLY}
    assert {name(kind) for kind in AnyClientMessage.__args__} - counted == {message["type"] for message in FREE}


async def test_exempt_sessions_have_a_cap_of_their_own(hub: Hub) -> None:
    free, other = exempt(hub), Member(hub)
    assert codes(await emitted(free, 22)) == ["ok"] * 20 + ["RATE_LIMIT_EXCEEDED"] * 2
    assert codes(await emitted(other, 11)) == ["ok"] * 10 + ["RATE_LIMIT_EXCEEDED"]


async def test_what_a_message_says_of_exemption_is_not_read(hub: Hub) -> None:
    member = Member(hub)
    lie = {"rateLimitExempt": True, "rate_limit_exempt": True, "priority": "high", "source": "exprsn-spark"}
    answers = [await member.ask(type="emit", event="a:b", ack=True, **lie, meta=lie) for _ in range(11)]
    assert codes(answers)[-1] == "RATE_LIMIT_EXCEEDED"


async def test_all_of_a_service_are_warned_once_at_four_fifths(hub: Hub) -> None:
    one, two, spark = Member(hub), Member(hub), Member(hub, "spark")
    await emitted(one, 10)
    for member in (one, two):
        assert await member.is_well()
        (notice,) = (said for said in member.peer.messages if said["type"] == "notice")
        assert (notice["notice"], notice["remaining"]) == ("rate_warning", 2)
        assert 0 < notice["resets_in_ms"] <= 60_000
    assert await spark.is_well()
    assert not [said for said in spark.peer.messages if said["type"] == "notice"]


async def test_a_budget_in_redis_ends_by_itself(hub: Hub, redis: Redis) -> None:
    await emitted(Member(hub), 3)
    for key in (keys.rate("exprsn-herald"), keys.leases("exprsn-herald")):
        assert 0 < await redis.pttl(key) <= 62_000


async def test_a_hub_that_stops_gives_back_what_it_was_lent(redis: Redis, make_hub: MakeHub) -> None:
    limits = Limits(drain_ms=1, rate_max=1_000)
    leaving = await make_hub(limits=limits, rate_limits=RateLimits(redis))
    await emitted(Member(leaving), 1)
    assert await redis.hlen(keys.leases("exprsn-herald")) == 3
    await leaving.stop()
    assert sorted(await redis.hkeys(keys.leases("exprsn-herald"))) == [b"sequence", b"total"]
