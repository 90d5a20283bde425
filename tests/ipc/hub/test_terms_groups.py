"""Conditions and shapes of durable groups: what is chosen is handed out shaped, the rest is acknowledged."""

from typing import Any

from redis.asyncio import Redis

from ipc.hub.hub import Hub
from ipc.stores import keys
from ipc.stores.groups import Groups
from tests.ipc import durable
from tests.ipc.conftest import MakeHub
from tests.ipc.durable import GROUP, SERVICE, GroupMember

PUBLIC = {"$eq": [{"$var": "data.visibility"}, "public"]}
ID = {"$var": "data.id"}


def post(number: int, visibility: str = "public") -> dict[str, Any]:
    return {"id": number, "visibility": visibility}


async def state(member: GroupMember, event_id: str) -> dict[str, Any]:
    """Return what the ledger says of an event and the group."""
    ok = await member.ask(type="status", event=event_id, source="herald")
    (of_group,) = ok["status"]["groups"]
    return dict(of_group)


async def test_what_is_not_chosen_is_acknowledged_and_not_wanted(hub: Hub, redis_client: Redis) -> None:
    """Also by members that have no credit left for more."""
    member = GroupMember(hub)
    await member.join("post:*", where=PUBLIC, select=ID, credit=2)
    for number in range(10):
        await member.emit(data=post(number, "public" if number in {3, 8} else "private"), id=f"e{number}")
    events = await member.take(2)
    assert [event["data"] for event in events] == [3, 8]
    assert all(event["attempt"] == 1 for event in events)
    await member.ack(*events)
    await durable.all_acknowledged(Groups(redis_client))
    assert (await state(member, "e3"))["state"] == "acked"
    of_other = await state(member, "e4")
    assert (of_other["state"], of_other["reason"]) == (
        "not_wanted",
        "the condition of the group (where) did not hold for it",
    )


async def test_a_dead_letter_is_whole(hub: Hub, redis_client: Redis) -> None:
    member = GroupMember(hub)
    await member.join("post:*", where=PUBLIC, select=ID, retry={"backoff_ms": []})
    await member.emit(data=post(1))
    event = await member.next()
    await member.nack(event, reject=True)

    async def is_buried() -> bool:
        return bool(await redis_client.xlen(keys.dead(SERVICE, GROUP)))

    await durable.eventually(is_buried)
    rows: Any = await redis_client.xrange(keys.dead(SERVICE, GROUP))
    ((_, fields),) = rows
    assert b'"data":{"id":1,"visibility":"public"}' in fields[b"frame"].replace(b" ", b"")


async def test_a_select_that_fails_hands_the_event_out_whole(hub: Hub) -> None:
    member = GroupMember(hub)
    await member.join("post:*", select={"$add": [ID, 1]})
    await member.emit(data={"id": "x"})
    event = await member.next()
    assert (event["data"], event["select_error"]) == ({"id": "x"}, {"code": "JSONLEX_TYPE"})
    await member.ack(event)


async def test_a_retry_is_shaped_by_the_latest_that_was_asked_for(hub: Hub) -> None:
    member = GroupMember(hub)
    await member.join("post:*", select=ID, retry={"backoff_ms": [0, 0]})
    await member.emit(data=post(1))
    first = await member.next()
    await member.join("post:*", where={"$eq": [1, 2]}, select={"now": ID}, retry={"backoff_ms": [0, 0]})
    await member.nack(first)
    second = await member.next()
    assert (first["data"], second["data"], second["attempt"]) == (1, {"now": 1}, 2)
    await member.ack(second)


async def test_a_new_hub_takes_over_what_was_chosen(make_hub: MakeHub, redis_client: Redis) -> None:
    """And lets go of what was taken but not looked at."""
    hub = await make_hub()
    member = GroupMember(hub)
    await member.join("post:*", where=PUBLIC)
    await member.emit(data=post(1))
    await member.next()
    await hub.detach(member.session)
    again = GroupMember(await make_hub())
    await again.join("post:*", where=PUBLIC)
    event = await again.next()
    assert event["data"] == post(1)
    await again.ack(event)
    await durable.all_acknowledged(Groups(redis_client))


async def test_the_definition_has_the_condition_and_the_shape(hub: Hub) -> None:
    member = GroupMember(hub)
    await member.join("post:*", where=PUBLIC, select=ID)
    ok = await member.ask(type="explain", event="post:created", data=post(1, "private"))
    (of_group,) = ok["explanation"]["groups"]
    assert (of_group["gets"], of_group["reason"]) == (False, "where")
