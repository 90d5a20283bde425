"""What a hub whose members do not answer leaves to hubs whose members do."""

from typing import Any

import pytest
from redis.asyncio import Redis

from ipc.hub.group import MAX_LOSSES
from ipc.stores.groups import NOBODY, Groups
from tests.ipc.durable import GROUP, SERVICE, GroupMember, all_acknowledged, eventually, pending
from tests.ipc.hub.rigs import MakeRig, Rig

ACK_S = 60.0
RETRY: dict[str, Any] = {"ack_ms": int(ACK_S * 1000), "backoff_ms": [0, 0, 0]}


@pytest.fixture
def groups(redis_client: Redis) -> Groups:
    return Groups(redis_client)


async def hanging(rig: Rig, count: int = 3) -> GroupMember:
    """Return a member that holds so many events, and answers none of them."""
    member = GroupMember(rig.hub)
    await member.join(credit=count, retry=RETRY)
    await member.emit_numbers(range(count), target="herald")
    await member.take(count)
    return member


async def helping(rig: Rig) -> GroupMember:
    """Return a member at another hub."""
    member = GroupMember(rig.hub)
    await member.join(credit=8, retry=RETRY)
    await rig.rests()
    return member


async def left(groups: Groups, count: int) -> None:
    """Wait until so many events are left to nobody."""

    async def is_left() -> bool:
        return len([consumer for consumer, _ in await pending(groups) if consumer == NOBODY]) == count

    await eventually(is_left)


async def test_what_a_stuck_member_let_pass_another_hub_does(make_rig: MakeRig, groups: Groups) -> None:
    """Each event has cost one attempt, and none of them comes to the stuck member again."""
    stuck, working = await make_rig(), await make_rig()
    hung = await hanging(stuck)
    helper = await helping(working)
    await stuck.tends()
    stuck.clock.forward(ACK_S)
    await left(groups, 3)
    await stuck.tends(2)
    await working.tends()
    events = await helper.take(3)
    assert [(event["data"], event["attempt"]) for event in events] == [(0, 2), (1, 2), (2, 2)]
    await helper.ack(*events)
    await all_acknowledged(groups)
    assert len(hung.peer.events) == 3
    assert await hung.is_well()


async def test_alone_it_keeps_what_it_has(make_rig: MakeRig, groups: Groups) -> None:
    """There is nobody to leave it to."""
    stuck = await make_rig()
    hung = await hanging(stuck)
    await stuck.rests()
    stuck.clock.forward(ACK_S + 1)
    assert (await hung.next())["attempt"] == 2
    assert {consumer for consumer, _ in await pending(groups)} == {stuck.hub.id}


async def test_what_nobody_took_comes_back_when_the_others_have_left(make_rig: MakeRig, groups: Groups) -> None:
    """Late is better than never."""
    stuck, working = await make_rig(), await make_rig()
    hung = await hanging(stuck)
    helper = await helping(working)
    await stuck.tends()
    stuck.clock.forward(ACK_S)
    await left(groups, 3)
    await working.hub.detach(helper.session)

    async def is_alone() -> bool:
        return await groups.served_by(SERVICE, GROUP) == {stuck.hub.id}

    await eventually(is_alone)
    await stuck.tends()
    assert (await hung.next())["attempt"] == 2
    await left(groups, 0)


@pytest.mark.parametrize("after", [False, True])
async def test_leaving_it_outlives_an_outage(make_rig: MakeRig, groups: Groups, *, after: bool) -> None:
    """Whether Redis had heard of it or not."""
    stuck, working = await make_rig(), await make_rig()
    await hanging(stuck)
    helper = await helping(working)
    await stuck.tends()
    stuck.flaky.fail("hand_over", after=after)
    stuck.clock.forward(ACK_S)
    await stuck.failure("hand_over")
    await stuck.recovers()
    await left(groups, 3)
    await working.tends()
    events = await helper.take(3)
    assert all(event["attempt"] <= 2 + MAX_LOSSES for event in events)
    await helper.ack(*events)
    await all_acknowledged(groups)
