"""Conditions and shapes that are meant to hurt: for their owner alone, and not for long."""

import asyncio
from typing import Any

import pytest

from ipc.hub.hub import Hub
from ipc.protocol.limits import Limits
from tests.ipc.conftest import MakeHub
from tests.ipc.hub.test_terms import likes, post
from tests.ipc.members import Member

COSTLY = {"$some": {"array": {"$var": "data.xs"}, "condition": {"$eq": [{"$add": [{"$var": "item"}, 1]}, -1]}}}


def costly(number: int) -> dict[str, Any]:
    """Return a condition that is unlike all others and takes as long as it may."""
    return {"$or": [likes(number), COSTLY]}


BOMBS = {
    "loops in loops": {
        "$some": {
            "array": {"$var": "data.xs"},
            "condition": {"$some": {"array": {"$var": "data.xs"}, "condition": False}},
        }
    },
    "text that doubles": {
        "$reduce": {
            "array": {"$var": "data.xs"},
            "initial": "aa",
            "expr": {"$concat": [{"$var": "acc"}, {"$var": "acc"}]},
        }
    },
    "much text": {"$in": ["b", {"$join": [{"$split": [{"$var": "data.text"}, ""]}, "x"]}]},
}


@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS)
async def test_a_bomb_in_where_goes_off_for_its_owner_alone(hub: Hub, bomb: Any) -> None:
    hostile, member = Member(hub), Member(hub)
    await hostile.subscribe("post:*", where=bomb)
    await member.subscribe("post:*", where=likes(1))
    data = post(1, 1, xs=[0] * 1_000, text="a" * 100_000)
    for _ in range(3):
        await member.emit(data=data)
    assert await member.hears(3) == [data] * 3
    assert await hostile.is_well()
    assert (hostile.heard, hostile.session.patterns["post:*"].failures) == ([], 3)


async def test_a_select_cannot_make_more_than_data_may_be(make_hub: MakeHub) -> None:
    hub = await make_hub(limits=Limits(data_bytes=2_000))
    member = Member(hub)
    await member.subscribe("post:*", select=[{"$var": "data.text"}] * 10)
    await member.emit(data={"text": "x" * 1_000})
    assert await member.hears(1) == [{"text": "x" * 1_000}]
    assert member.peer.events[0]["select_error"] == {"code": "JSONLEX_RESULT_TOO_LARGE"}


async def test_whose_filters_take_long_reads_the_log_and_misses_nothing(make_hub: MakeHub) -> None:
    """However many there are; the others hear events as they come, and the answers of the hub come in between."""
    hub = await make_hub()
    hub.loop_time.live_limit_s, hub.loop_time.behind_limit_s = 0.002, 0.001
    plain, emitter = Member(hub), Member(hub)
    await plain.subscribe("post:*")
    many = [Member(hub) for _ in range(100)]
    for number, member in enumerate(many):
        await member.subscribe("post:*", where=costly(number))
    for number in range(20):
        await emitter.emit(data=post(number, number, xs=[0] * 200))
    assert [data["id"] for data in await plain.hears(20)] == list(range(20))
    for number, member in enumerate(many[:20]):
        assert [data["id"] for data in await member.hears(1)] == [number]
    assert hub.counters.sessions_behind > 0
    for member in many:
        while member.session.replays:
            await asyncio.wait([task for task in member.session.tasks.running if "filter" in task.get_name()])
        assert await member.is_well()
        assert len(member.heard) == (1 if member in many[:20] else 0)


async def test_a_session_that_is_behind_may_change_what_it_wants(make_hub: MakeHub) -> None:
    """What is new to it begins where it is, so that its events stay in order."""
    hub = await make_hub()
    hub.loop_time.live_limit_s = hub.loop_time.behind_limit_s = 0.0
    member = Member(hub)
    await member.subscribe("post:*", where=likes(1))
    emitted = [{"type": "emit", "event": event, "data": post(1, 1)} for event in ("post:created", "user:updated")] * 20
    await member.say(*emitted)
    ok = await member.subscribe("user:*")
    await member.say(*emitted)
    await member.hears(60)
    positions = [event["position"] for event in member.peer.events]
    assert positions == sorted(positions, key=lambda position: tuple(map(int, position.split("-"))))
    assert len(set(positions)) == len(positions)
    assert tuple(map(int, ok["positions"]["broadcast"].split("-"))) <= tuple(map(int, positions[-1].split("-")))
