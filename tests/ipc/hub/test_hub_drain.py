"""Draining: announced, with time to answer for what a group has handed out, and nothing handed out any more."""

import asyncio

from ipc.hub.hub import Hub
from ipc.protocol.limits import Limits
from tests.ipc.conftest import MakeHub
from tests.ipc.members import Member


async def _held(hub: Hub, member: Member) -> str:
    """Make a member hold one delivery of a group, and return its id."""
    await member.subscribe("post:created", group="notify", credit=1)
    await member.emit(data=1)
    await member.hears(1)
    return str(member.peer.events[0]["delivery"])


async def test_a_drain_waits_for_the_answers_to_what_members_hold(hub: Hub) -> None:
    """The sessions are told at once, and closed when the last delivery is acknowledged."""
    member = Member(hub)
    delivery = await _held(hub, member)
    draining = asyncio.create_task(hub.drain())
    await member.peer.until(lambda: member.peer.messages[-1]["type"] == "notice")
    assert member.peer.closed is None
    await member.say({"type": "ack", "deliveries": [delivery]})
    assert await member.peer.close_code() == 4503
    await draining
    assert hub.counters.deliveries_acked == 1


async def test_nothing_is_handed_out_while_draining(hub: Hub) -> None:
    """An answer frees credit, which a draining hub does not use."""
    member = Member(hub)
    delivery = await _held(hub, member)
    await member.emit(data=2)
    draining = asyncio.create_task(hub.drain())
    await member.peer.until(lambda: member.peer.messages[-1]["type"] == "notice")
    await member.say({"type": "ack", "deliveries": [delivery]})
    await draining
    assert member.heard == [1]


async def test_a_drain_does_not_wait_for_ever(make_hub: MakeHub) -> None:
    """A member that does not answer is closed all the same, and its delivery comes again elsewhere."""
    hub = await make_hub(limits=Limits(drain_ms=1))
    member = Member(hub)
    await _held(hub, member)
    await hub.drain()
    assert member.peer.closed is not None
    assert member.peer.closed[0] == 4503
    assert hub.counters.deliveries_acked == 0
