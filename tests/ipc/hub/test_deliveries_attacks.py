"""What members of durable groups may not say: each with its code, and without harm to anybody else."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from ipc.hub.deliveries import MAX_GROUPS_PER_SESSION
from ipc.hub.hub import Hub
from ipc.protocol.limits import Limits
from ipc.protocol.routing import logs_of_group
from ipc.stores.groups import Groups
from tests.ipc.conftest import MakeHub
from tests.ipc.durable import GROUP, NAME, SERVICE, GroupMember, all_acknowledged, pending


@pytest.fixture
def groups(redis_client: Redis) -> Groups:
    return Groups(redis_client)


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"credit": 0}, "INVALID_MESSAGE"),
        ({"credit": -1}, "INVALID_MESSAGE"),
        ({"credit": 1_001}, "INVALID_MESSAGE"),
        ({"credit": 10**30}, "INVALID_MESSAGE"),
        ({"credit": "many"}, "INVALID_MESSAGE"),
        ({"group": ""}, "INVALID_GROUP"),
        ({"group": "a/b"}, "INVALID_GROUP"),
        ({"group": "x" * 65}, "INVALID_GROUP"),
        ({"group": "ü"}, "INVALID_GROUP"),
        ({"retry": {"ack_ms": 0}}, "INVALID_MESSAGE"),
        ({"retry": {"delays": []}}, "INVALID_MESSAGE"),
        ({"since": {"exprsn-timeline": "1-0"}}, "INVALID_MESSAGE"),
        ({"since": {SERVICE: "tomorrow"}}, "INVALID_POSITION"),
        ({"events": ["no pattern"]}, "INVALID_PATTERN"),
    ],
)
async def test_a_wrong_subscription_is_refused(hub: Hub, groups: Groups, members: dict[str, Any], code: str) -> None:
    """With its code, and without a group being made."""
    member = GroupMember(hub)
    refused = await member.ask(**{"type": "subscribe", "events": ["*"], "group": GROUP, **members})
    assert (refused["type"], refused["code"], refused["retryable"]) == ("error", code, False)
    assert not await groups.exists(SERVICE, NAME)


@pytest.mark.parametrize("members", [{"credit": 5}, {"retry": {}}, {"once": True}])
async def test_what_belongs_to_a_group_needs_one(hub: Hub, members: dict[str, Any]) -> None:
    refused = await GroupMember(hub).ask(type="subscribe", events=["*"], **members)
    assert (refused["code"], "group" in refused["message"]) == ("INVALID_MESSAGE", True)


async def test_a_session_is_a_member_of_so_many_groups(hub: Hub) -> None:
    member = GroupMember(hub)
    for number in range(MAX_GROUPS_PER_SESSION):
        await member.join(group=f"group-{number}")
    refused = await member.ask(type="subscribe", events=["*"], group="one-more")
    assert refused["code"] == "TOO_MANY_SUBSCRIPTIONS"
    await member.join(group="group-0", credit=2)


async def test_nobody_makes_up_groups_without_end(make_hub: MakeHub, groups: Groups) -> None:
    """However many sessions and hubs are tried; a group that exists is joined, and one that is forgotten makes room."""
    hubs = [await make_hub(limits=Limits(groups_per_service=3)) for _ in range(2)]
    for number in range(3):
        await GroupMember(hubs[number % 2]).join(group=f"group-{number}")
    for hub in hubs:
        refused = await GroupMember(hub).ask(type="subscribe", events=["*"], group="one-more")
        assert (refused["code"], refused["retryable"]) == ("TOO_MANY_SUBSCRIPTIONS", False)
        assert refused["details"] == {"limit": 3}
    for log in logs_of_group(SERVICE, "one-more"):
        assert not await groups.exists(log, f"{SERVICE}/one-more")
    member = GroupMember(hubs[0])
    await member.join(group="group-1")
    await GroupMember(hubs[0], "spark").join(group="one-more")
    await member.ask(type="unsubscribe", events=[], group="group-1")
    for log in logs_of_group(SERVICE, "group-0"):
        await groups.destroy(log, f"{SERVICE}/group-0")
    await member.join(group="one-more")


async def test_sessions_that_create_groups_at_once_stay_below_the_cap(make_hub: MakeHub, groups: Groups) -> None:
    hub = await make_hub(limits=Limits(groups_per_service=3))
    members = [GroupMember(hub) for _ in range(10)]
    answers = await asyncio.gather(
        *(member.ask(type="subscribe", events=["*"], group=f"group-{number}") for number, member in enumerate(members))
    )
    assert sorted(answer["type"] for answer in answers) == ["error"] * 7 + ["ok"] * 3
    assert len(await groups.names(SERVICE)) == 3


@pytest.mark.parametrize("answer", [{"type": "ack"}, {"type": "nack", "reason": "no"}, {"type": "progress"}])
async def test_only_what_a_session_holds_can_be_answered(hub: Hub, groups: Groups, answer: dict[str, Any]) -> None:
    """Unknown ids, answered ones and another session's are named; the one that is held counts all the same."""
    member, other = GroupMember(hub), GroupMember(hub)
    await member.join(credit=2)
    await member.emit_numbers(range(2))
    done, held = await member.take(2)
    await member.ack(done)
    stolen = await other.ask(**answer, deliveries=[held["delivery"]])
    assert (stolen["code"], stolen["details"]) == ("UNKNOWN_DELIVERY", {"deliveries": [held["delivery"]]})
    wrong = [done["delivery"], "no such delivery"]
    refused = await member.ask(**answer, deliveries=[*wrong, held["delivery"]])
    assert (refused["code"], refused["details"]) == ("UNKNOWN_DELIVERY", {"deliveries": wrong})
    if answer["type"] == "ack":
        await all_acknowledged(groups)
    else:
        assert len(await pending(groups)) >= 1


@pytest.mark.parametrize(
    "answer",
    [
        {"type": "nack"},
        {"type": "nack", "reason": ""},
        {"type": "nack", "reason": "no", "retry_in_ms": -1},
        {"type": "nack", "reason": "no", "retry_in_ms": 10**12},
        {"type": "ack", "deliveries": []},
        {"type": "ack", "deliveries": ["1"] * 1_001},
        {"type": "ack", "deliveries": "1"},
    ],
)
async def test_a_wrong_answer_is_refused(hub: Hub, answer: dict[str, Any]) -> None:
    """The delivery stays with its member, who may answer again."""
    member = GroupMember(hub)
    await member.join()
    await member.emit()
    event = await member.next()
    refused = await member.ask(**{"deliveries": [event["delivery"]], **answer})
    assert (refused["type"], refused["code"]) == ("error", "INVALID_MESSAGE")
    await member.ack(event)
    assert await member.is_well()
    assert member.last["type"] == "pong"
