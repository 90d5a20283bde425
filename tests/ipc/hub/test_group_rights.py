"""Durable groups whose members' tokens permit different things: none hears, takes or deletes more than its own may."""

from typing import Any

import pytest
from redis.asyncio import Redis

from ipc.hub.group_rights import current
from ipc.hub.hub import Hub
from ipc.protocol.delivery_status import DEFINITION_SLACK_MS, Definition
from ipc.stores import keys
from ipc.stores.group_definitions import definition_key
from ipc.stores.groups import Groups
from tests.ipc.conftest import MakeHub
from tests.ipc.durable import GROUP, NAME, SERVICE, GroupMember, eventually

NARROW = ("subscribe:post:created", "emit:*")
RETRY = {"ack_ms": 60_000, "backoff_ms": [0, 0]}


@pytest.fixture
def groups(redis_client: Redis) -> Groups:
    return Groups(redis_client)


async def joined_by(hub: Hub, *events: str, permissions: tuple[str, ...] = ("*",)) -> GroupMember:
    member = GroupMember(hub, permissions=permissions)
    await member.join(*events, retry=RETRY)
    return member


async def test_a_member_is_handed_only_what_its_own_token_permits(hub: Hub) -> None:
    """Although another has joined after it, who hears more, and has less credit left."""
    narrow = await joined_by(hub, "post:created", permissions=NARROW)
    wide = GroupMember(hub)
    await wide.join("*", credit=4, retry=RETRY)
    for number in range(4):
        await wide.emit("secret:made", number)
        await wide.emit("post:created", number)
    assert [event["event"] for event in await narrow.take(4)] == ["post:created"] * 4
    assert [event["event"] for event in await wide.take(4)] == ["secret:made"] * 4


@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_who_may_not_hear_what_a_group_hears_does_not_join_it(
    hub: Hub, make_hub: MakeHub, *, is_elsewhere: bool
) -> None:
    """At no hub: there, all that the newcomer does not want would be acknowledged for the group unheard."""
    wide = await joined_by(hub, "*")
    narrow = GroupMember(await make_hub() if is_elsewhere else hub, permissions=NARROW)
    refused = await narrow.ask(type="subscribe", events=["post:created"], group=GROUP)
    assert (refused["code"], refused["details"]) == ("FORBIDDEN", {"needed": "subscribe:*"})
    await wide.emit("secret:made", 1)
    assert (await wide.next())["data"] == 1


async def test_a_service_begins_anew_with_fewer_permissions(hub: Hub, groups: Groups) -> None:
    """Once the last of those has left who could hear more."""
    wide = await joined_by(hub, "*")
    await hub.detach(wide.session)

    async def is_left() -> bool:
        return not await groups.served_by(SERVICE, GROUP)

    await eventually(is_left)
    narrow = await joined_by(hub, "post:created", permissions=NARROW)
    await narrow.emit("post:created", 1)
    assert (await narrow.next())["data"] == 1


async def test_what_no_member_may_hear_is_put_aside_with_the_reason(hub: Hub, redis_client: Redis) -> None:
    """A member that could has left it; those that are there go on with what they may hear."""
    narrow = await joined_by(hub, "post:created", permissions=NARROW)
    wide = GroupMember(hub)
    await wide.join("*", retry=RETRY)
    await wide.emit("secret:made", 1)
    await wide.next()
    await hub.detach(wide.session)

    async def is_dead() -> bool:
        return await redis_client.xlen(keys.dead(SERVICE, GROUP)) == 1

    await eventually(is_dead)
    rows: Any = await redis_client.xrange(keys.dead(SERVICE, GROUP))
    assert rows[0][1][b"error"].decode() == "no member here has the permission subscribe:secret:made"
    await narrow.emit("post:created", 2)
    assert (await narrow.next())["data"] == 2
    assert narrow.heard == [2]


@pytest.mark.parametrize("permissions", [(), NARROW, ("emit:*", "call:*", "serve:*", "jsonlex", "state")])
async def test_who_may_not_hear_what_a_group_heard_does_not_delete_it(
    hub: Hub, groups: Groups, permissions: tuple[str, ...]
) -> None:
    """Also when no member is there; what waits in it would be lost."""
    wide = await joined_by(hub, "post:*")
    await wide.ask(type="unsubscribe", events=[], group=GROUP)
    other = GroupMember(hub, permissions=permissions)
    refused = await other.ask(type="unsubscribe", events=[], group=GROUP, forget=True)
    assert (refused["code"], refused["details"]) == ("FORBIDDEN", {"needed": "subscribe:post:*"})
    assert await groups.exists(SERVICE, NAME)
    assert (await wide.ask(type="unsubscribe", events=[], group=GROUP, forget=True))["type"] == "ok"
    assert not await groups.exists(SERVICE, NAME)


async def test_a_group_of_which_nobody_knows_what_it_heard_is_deleted_by_who_may_hear_everything(
    hub: Hub, groups: Groups, redis_client: Redis
) -> None:
    wide = await joined_by(hub, "post:created")
    await hub.detach(wide.session)
    await redis_client.delete(definition_key(NAME))
    narrow = GroupMember(hub, permissions=NARROW)
    refused = await narrow.ask(type="unsubscribe", events=[], group=GROUP, forget=True)
    assert (refused["code"], refused["details"]) == ("FORBIDDEN", {"needed": "subscribe:*"})
    assert await groups.exists(SERVICE, NAME)


async def test_a_group_that_is_none_is_nothing_to_be_refused(hub: Hub) -> None:
    assert (await GroupMember(hub, permissions=()).ask(type="unsubscribe", events=[], group=GROUP, forget=True))[
        "type"
    ] == "ok"


def test_what_was_said_long_before_the_latest_does_not_count() -> None:
    now_ms = 1_800_000_000_000
    latest = Definition(now_ms, ("post:created",), 5)
    beside = Definition(now_ms - DEFINITION_SLACK_MS + 1, ("post:*",), 5)
    before = Definition(now_ms - DEFINITION_SLACK_MS, ("*",), 5)
    assert current([latest, before, beside]) == [beside, latest]
    assert current([]) == []
