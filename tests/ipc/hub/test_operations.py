"""The hub's side of long operations: who may do what with which, revocation by whatever way, and what is lost."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from ipc.hub.hub import Hub
from ipc.hub.open_operations import MAX_OPEN
from ipc.protocol.errors import UnavailableError
from ipc.protocol.operations import LOST_AFTER_MS, OperationInfo
from ipc.protocol.tokens import TokenKeys
from ipc.stores import keys, operations
from ipc.stores.audit import Audit
from ipc.stores.operations import MAX_LISTED, Operations, RedisOperationIndex
from ipc.stores.token_records import TokenRecords
from ipc.stores.tokens import BrokerTokenManager
from tests.clock import pass_a_millisecond
from tests.ipc.conftest import MakeHub
from tests.ipc.durable import eventually
from tests.ipc.members import Member


async def begun(member: Member, **members: Any) -> str:
    ok = await member.ask(type="operation", op="begin", name="import", **members)
    assert ok["type"] == "ok", ok
    return str(ok["operations"][0]["id"])


async def told(member: Member, operation: str, **members: Any) -> dict[str, Any]:
    return await member.ask(type="operation", operation=operation, **members)


def notices(member: Member) -> list[Any]:
    return [said for said in member.peer.messages if said["type"] == "notice"]


def manager(redis: Redis) -> BrokerTokenManager:
    """What `manage.py brokertoken` has."""
    return BrokerTokenManager(
        TokenRecords(redis), TokenKeys.of("k" * 3 + "abcdefghijklmnopqrstuvwxyz0123456789"), Audit(redis)
    )


async def test_the_handle_is_a_stateful_token_that_permits_nothing_and_has_the_state(
    hub: Hub, redis_client: Redis
) -> None:
    operation = await begun(Member(hub), total=10)
    page = await manager(redis_client).find("herald")
    (record,) = page.tokens
    claims = record.claims
    assert (claims.id, claims.stateful, claims.state_key, claims.permissions) == (operation, True, operation, ())
    state = json.loads(await redis_client.get(keys.state(f"operation-{operation}")) or b"")
    assert (state["name"], state["status"], state["total"]) == ("import", "running", 10.0)
    assert await redis_client.pttl(keys.operations("exprsn-herald")) > 0


async def test_one_that_has_ended_has_no_handle_any_more(hub: Hub, redis_client: Redis) -> None:
    member = Member(hub)
    operation = await begun(member)
    await told(member, operation, op="end")

    async def is_gone() -> bool:
        return not (await manager(redis_client).find("herald")).tokens

    await eventually(is_gone)


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_another_services_operation_is_none_of_ones_business(make_hub: MakeHub, *, is_elsewhere: bool) -> None:
    """Neither here nor by another hub, which has only heard of it: it is not told of, ended, cancelled or listed."""
    hub = await make_hub()
    member = Member(hub)
    operation = await begun(member)
    other = Member(await make_hub() if is_elsewhere else hub, "spark", permissions={"state"})
    for op in ("progress", "end", "cancel"):
        assert (await told(other, operation, op=op))["code"] == "FORBIDDEN"
    assert (await other.ask(type="operation", op="list", service="herald"))["code"] == "FORBIDDEN"
    await hub.operations.write()
    assert [each.status for each in await hub.operations.list("herald")] == ["running"]
    assert not notices(member)
    assert (await told(Member(hub, "spark"), operation, op="cancel"))["type"] == "ok", "it may do everything"


@pytest.mark.parametrize("is_written", [True, False])
async def test_to_revoke_the_handle_by_its_id_is_to_cancel(hub: Hub, redis_client: Redis, *, is_written: bool) -> None:
    """As `manage.py brokertoken` does it, which tells no hub: one finds out by itself within a second."""
    member, target = Member(hub), Member(hub, "pulse")
    await target.subscribe("operation:cancelled")
    operation = await begun(member, target="pulse")
    await told(member, operation, op="progress", done=10)
    if is_written:
        await hub.operations.write()
    await manager(redis_client).revoke(operation, by="operator ada")
    await member.peer.until(lambda: bool(notices(member)))
    assert notices(member) == [{"type": "notice", "notice": "cancelled", "operation": operation}]
    assert (await target.hears(1))[0]["error"] == "its handle was revoked"
    assert (await told(member, operation, op="progress", done=20))["code"] == "CANCELLED"
    (found,) = await hub.operations.list("herald")
    assert (found.status, found.percent) == ("cancelled", 10.0)


async def test_to_revoke_all_tokens_of_a_service_cancels_what_it_is_at(hub: Hub, redis_client: Redis) -> None:
    member = Member(hub)
    operation = await begun(member)
    await manager(redis_client).revoke_source("herald", by="operator ada")
    await hub.operations.look()
    await member.peer.until(lambda: bool(notices(member)))
    assert notices(member)[0]["operation"] == operation


async def test_one_that_nobody_is_at_any_more_is_seen_to_be_cancelled(hub: Hub, redis_client: Redis) -> None:
    member = Member(hub)
    operation = await begun(member)
    await hub.detach(member.session)
    await manager(redis_client).revoke(operation, by="operator ada")
    (found,) = await hub.operations.list()
    assert found.status == "cancelled"
    again = Member(hub)
    assert (await told(again, operation, op="progress", done=1))["code"] == "CANCELLED"


async def test_another_hub_cancels_it_and_the_session_is_told(make_hub: MakeHub) -> None:
    one, two = await make_hub(), await make_hub()
    member = Member(one)
    operation = await begun(member)
    await two.operations.cancel(operation, by="operator ada")
    await member.peer.until(lambda: bool(notices(member)))
    refused = await told(member, operation, op="end")
    assert (refused["code"], "operator ada" in refused["message"]) == ("CANCELLED", True)
    (found,) = await one.operations.list("herald")
    assert (found.status, found.error) == ("cancelled", "cancelled by operator ada")


async def test_one_whose_process_has_died_is_shown_as_lost(hub: Hub, redis_client: Redis) -> None:
    member = Member(hub)
    operation = await begun(member)
    await hub.detach(member.session)
    key = keys.state(f"operation-{operation}")
    info = msgspec.json.decode(await redis_client.get(key) or b"", type=OperationInfo)
    old = msgspec.structs.replace(info, updated_ms=info.updated_ms - LOST_AFTER_MS - 1)
    await redis_client.set(key, msgspec.json.encode(old), keepttl=True)
    (found,) = await hub.operations.list("herald")
    assert found.status == "lost"
    # It comes back when its service does, and can be cancelled if it does not.
    again = Member(hub)
    assert (await told(again, operation, op="progress", done=5))["type"] == "ok"
    (found,) = await hub.operations.list("herald")
    assert found.status == "running"
    assert (await hub.operations.cancel(operation, by="ada")).status == "cancelled"


async def test_progress_after_the_end_is_refused(hub: Hub) -> None:
    member = Member(hub)
    operation = await begun(member)
    assert (await told(member, operation, op="end"))["operations"][0]["percent"] == 100.0
    for message in ({"op": "progress", "done": 1}, {"op": "end"}, {"op": "end", "error": "no"}, {"op": "cancel"}):
        assert (await told(member, operation, **message))["code"] == "CONFLICT"
    (found,) = await hub.operations.list("herald")
    assert found.status == "done"


async def test_an_end_that_could_not_be_written_is_said_again(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or written by the hub by itself; either way it is no operation of the session any more."""
    member = Member(hub)
    again, by_itself = await begun(member), await begun(member)
    with monkeypatch.context() as patched:
        patched.setattr(Operations, "replace", away)
        for operation in (again, by_itself):
            assert (await told(member, operation, op="end"))["code"] == "UNAVAILABLE"
            assert (await told(member, operation, op="progress", done=1))["code"] == "CONFLICT"
    assert (await told(member, again, op="end"))["operations"][0]["status"] == "done"
    await hub.operations.write()
    assert (await told(member, by_itself, op="end"))["code"] == "CONFLICT"
    assert {each.status for each in await hub.operations.list("herald")} == {"done"}
    hub.operations._open.check_room(member.session)
    assert all(hub.operations._open.get(operation) is None for operation in (again, by_itself))


async def test_an_end_that_is_written_twice_at_the_same_time_is_one_end(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By who has said it, and by who writes down now and then how all are."""
    member = Member(hub)
    operation = await begun(member)
    both, replace, writing = asyncio.Event(), hub.operations._store.replace, 0

    async def together(old: OperationInfo, new: OperationInfo) -> bool:
        nonlocal writing
        writing += 1
        if writing > 1:
            both.set()
        await both.wait()
        return await replace(old, new)

    monkeypatch.setattr(hub.operations._store, "replace", together)
    ended, _ = await asyncio.gather(told(member, operation, op="end"), hub.operations.write())
    assert (ended["type"], ended["operations"][0]["status"]) == ("ok", "done")
    assert (await told(member, operation, op="end"))["code"] == "CONFLICT"


async def test_a_session_that_leaves_while_one_begins_leaves_none_behind(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    member, begin = Member(hub), Operations.begin

    async def leave(store: Operations, info: OperationInfo) -> None:
        await begin(store, info)
        await hub.detach(member.session)

    monkeypatch.setattr(Operations, "begin", leave)
    await member.say({"type": "operation", "op": "begin", "name": "import", "id": "1"})
    (found,) = await hub.operations.list("herald")
    assert hub.operations._open.get(found.id) is None


async def away(*_arguments: object) -> bool:
    raise UnavailableError("Redis is out of reach")


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"op": "begin"}, "INVALID_MESSAGE"),
        ({"op": "begin", "name": "a\nb"}, "INVALID_MESSAGE"),
        ({"op": "begin", "name": "x" * 65}, "INVALID_MESSAGE"),
        ({"op": "begin", "name": "a", "total": 0}, "INVALID_MESSAGE"),
        ({"op": "begin", "name": "a", "total": -5}, "INVALID_MESSAGE"),
        ({"op": "begin", "name": "a", "target": "nobody"}, "UNKNOWN_SERVICE"),
        ({"op": "progress", "done": 1}, "NOT_FOUND"),
        ({"op": "progress", "operation": "01J0000000000000000000000", "done": 1}, "NOT_FOUND"),
        ({"op": "progress", "operation": "x" * 65}, "INVALID_MESSAGE"),
        ({"op": "cancel", "operation": "*"}, "NOT_FOUND"),
        ({"op": "end", "operation": "}:exprsn-timeline{"}, "NOT_FOUND"),
        ({"op": "list", "service": "nobody"}, "UNKNOWN_SERVICE"),
    ],
)
async def test_what_makes_no_sense_is_refused(hub: Hub, message: dict[str, Any], code: str) -> None:
    assert (await Member(hub).ask(type="operation", **message))["code"] == code


@pytest.mark.parametrize("done", [-0.1, 100.1, 1e308])
async def test_more_than_all_or_less_than_nothing_is_refused(hub: Hub, done: float) -> None:
    member = Member(hub)
    operation = await begun(member)
    assert (await told(member, operation, op="progress", done=done))["code"] == "INVALID_MESSAGE"
    assert (await told(member, operation, op="progress", done=50))["operations"][0]["percent"] == 50.0


async def test_a_state_of_another_token_is_no_operation(hub: Hub, redis_client: Redis) -> None:
    """What a service keeps in a stateful token of its own may be anything."""
    minted = await manager(redis_client).mint("herald", permissions=["state"], by="test", stateful=True)
    for value in (b"7", b'{"status":"running","service":"exprsn-herald"}', b'"x"'):
        await manager(redis_client).states.set(minted.claims, value)
        for op in ("progress", "end", "cancel"):
            assert (await told(Member(hub), minted.claims.id, op=op))["code"] == "NOT_FOUND"


async def test_it_takes_the_permission_for_state_and_for_the_events_of_its_target(hub: Hub) -> None:
    nothing = Member(hub, permissions={"emit:*"})
    assert (await nothing.ask(type="operation", op="begin", name="a"))["code"] == "FORBIDDEN"
    silent = Member(hub, permissions={"state"})
    assert (await silent.ask(type="operation", op="begin", name="a", target="pulse"))["code"] == "FORBIDDEN"
    assert (await silent.ask(type="operation", op="begin", name="a"))["type"] == "ok"


@pytest.mark.parametrize("event", ["operation:progress", "operation:done", "operation:failed", "operation:cancelled"])
async def test_nobody_else_tells_of_operations(hub: Hub, event: str) -> None:
    assert (await Member(hub).ask(type="emit", event=event, ack=True))["code"] == "FORBIDDEN"


async def test_a_session_has_so_many_and_a_service_is_listed_with_so_many(hub: Hub) -> None:
    member = Member(hub)
    for _ in range(MAX_OPEN):
        last = await begun(member)
    assert (await member.ask(type="operation", op="begin", name="a"))["code"] == "OVERLOADED"
    await told(member, last, op="end")
    await begun(member)


async def test_the_list_of_a_service_is_bounded(redis_client: Redis) -> None:
    index = RedisOperationIndex(redis_client)
    left_out = [
        each for number in range(MAX_LISTED + 5) for each in await index.add("exprsn-herald", f"o{number}", number)
    ]
    assert left_out == [f"o{number}" for number in range(5)]
    assert (await index.has("exprsn-herald", "o4"), await index.has("exprsn-herald", "o5")) == (False, True)
    found = await index.newest(["exprsn-herald"])
    assert (len(found), found[0]) == (MAX_LISTED, f"o{MAX_LISTED + 4}")


async def test_what_has_ended_and_is_not_listed_is_not_kept(
    hub: Hub, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service can begin and end as many as it may send messages; one that runs is known, listed or not."""
    monkeypatch.setattr(operations, "MAX_LISTED", 2)
    member = Member(hub)

    async def ttl_ms(operation: str) -> int:
        return int(await redis_client.pttl(keys.state(f"operation-{operation}")))

    ended = await begun(member)
    await told(member, ended, op="end")
    await eventually(lambda: has_status(redis_client, ended, "done"))
    assert await ttl_ms(ended) > operations.UNLISTED_TTL_MS
    running = await begun(member)
    for _ in range(2):
        pass_a_millisecond()
        await begun(member)
    assert await ttl_ms(ended) == -2
    assert await ttl_ms(running) > operations.UNLISTED_TTL_MS
    await told(member, running, op="end")
    await eventually(lambda: has_status(redis_client, running, "done"))
    assert 0 < await ttl_ms(running) <= operations.UNLISTED_TTL_MS


async def has_status(redis: Redis, operation: str, status: str) -> bool:
    state = await redis.get(keys.state(f"operation-{operation}"))
    return state is not None and bool(json.loads(state)["status"] == status)


async def test_progress_is_written_and_told_a_few_times_a_second(hub: Hub) -> None:
    """However often it is said; what is not new is written, since it says that somebody is there, and not told."""
    member, target = Member(hub), Member(hub, "pulse")
    await target.subscribe("operation:progress")
    operation = await begun(member, target="pulse", total=1_000)
    for number in range(1, 1_001):
        await member.say({"type": "operation", "op": "progress", "operation": operation, "done": number})
    await hub.operations.write()
    await told(member, operation, op="progress")
    await hub.operations.write()
    await told(member, operation, op="end")
    assert await target.is_well()
    assert target.heard[-1]["done"] == 1_000
    assert len(target.heard) < 10


async def test_what_redis_does_not_take_is_written_later(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    member = Member(hub)
    operation = await begun(member)
    await told(member, operation, op="progress", done=60)

    async def away(*_: object) -> bool:
        raise UnavailableError("cut")

    monkeypatch.setattr(Operations, "replace", away)
    await hub.operations.write()
    monkeypatch.undo()
    (found,) = await hub.operations.list("herald")
    assert found.percent == 60.0
