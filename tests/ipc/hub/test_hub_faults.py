"""Hubs whose pushes are lost, late, doubled and in another order: every session hears every event once, in order.

The log and the Valkey are real; only the channel layer, which may do all this by its specification, is the test's.
"""

import asyncio
import random
from collections.abc import Sequence

import pytest

from ipc.hub import portions
from ipc.hub.hub import Hub
from tests.ipc.conftest import MakeHub
from tests.ipc.exchange import Exchange
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S

pytestmark = pytest.mark.usefixtures("no_reconcile")


async def listening(hub: Hub, service: str = "herald") -> Member:
    member = Member(hub, service)
    await member.subscribe("*")
    return member


async def reconcile(*hubs: Hub) -> None:
    """Do what every hub does once a second, and wait until what it found is read."""
    async with asyncio.timeout(GUARD_S):
        for hub in hubs:
            await hub.logs.reconcile()
            for feed in hub.logs.feeds.values():
                while feed._catch_up is not None:
                    await asyncio.wait([feed._catch_up])


def by_log(member: Member) -> dict[str, list[int]]:
    heard: dict[str, list[int]] = {}
    for event in member.peer.events:
        heard.setdefault(event["log"], []).append(event["data"])
    return heard


async def test_hubs_hear_each_other(make_hub: MakeHub) -> None:
    one, other = await make_hub(), await make_hub()
    here, there = await listening(one), await listening(other)
    await here.emit_numbers(range(10))
    await there.emit_numbers(range(10, 20))
    assert await here.hears(20) == await there.hears(20) == list(range(20))
    assert other.counters.gaps_found == 0


async def test_a_lost_push_is_found_with_the_next_one(make_hub: MakeHub, exchange: Exchange) -> None:
    one, other = await make_hub(), await make_hub()
    here, there = await listening(one), await listening(other)
    await here.emit(data=0)
    await there.hears(1)
    exchange.holds = True
    await here.emit_numbers([1, 2])
    exchange.held.clear()
    exchange.holds = False
    await here.emit(data=3)
    assert await there.hears(4) == [0, 1, 2, 3]
    assert other.counters.gaps_found == 1


async def test_a_lost_last_push_is_found_by_the_reconcile(make_hub: MakeHub, exchange: Exchange) -> None:
    one, other = await make_hub(), await make_hub()
    here, there = await listening(one), await listening(other)
    exchange.holds = True
    await here.emit(data=1)
    exchange.held.clear()
    assert await there.is_well()
    assert there.heard == []
    await reconcile(one, other)
    assert await there.hears(1) == [1]
    assert here.heard == [1]


async def test_a_late_push_is_passed_over(make_hub: MakeHub, exchange: Exchange) -> None:
    one, other = await make_hub(), await make_hub()
    here, there = await listening(one), await listening(other)
    exchange.holds = True
    await here.emit_numbers(range(3))
    await reconcile(other)
    exchange.holds = False
    exchange.deliver_held()
    await here.emit(data=3)
    assert await there.hears(4) == [0, 1, 2, 3]


async def test_a_hub_that_nobody_listens_on_still_brings_events_in(make_hub: MakeHub) -> None:
    """It follows no log, so it cannot know whether it is alone there."""
    one, other = await make_hub(), await make_hub()
    there = await listening(other)
    emitter = Member(one, "spark")
    await emitter.emit_numbers(range(5))
    assert await there.hears(5) == list(range(5))


async def test_a_push_that_is_too_large_for_the_layer_is_read_by_the_others(
    make_hub: MakeHub, exchange: Exchange
) -> None:
    """A push above 256 KiB travels without its frames."""
    one, other = await make_hub(), await make_hub()
    here, there = await listening(one), await listening(other)
    large = "x" * 250_000
    exchange.holds = True
    await here.say(*({"type": "emit", "event": "a:b", "data": large, "id": f"{number}"} for number in range(3)))
    await here.hears(3)
    await here.emit(data="last")
    pushes = [message for _, message in exchange.held]
    assert all(sum(len(frame.encode()) for frame in push["frames"]) <= 256 * 1024 for push in pushes)
    assert [] in [push["frames"] for push in pushes]
    exchange.holds = False
    exchange.deliver_held()
    await reconcile(other)
    assert await there.hears(4) == [large] * 3 + ["last"]


async def test_a_message_that_is_no_push_does_not_make_a_hub_deaf(make_hub: MakeHub, exchange: Exchange) -> None:
    """Such as what a hub of a later version may say."""
    one, other = await make_hub(), await make_hub()
    here, there = await listening(one), await listening(other)
    for channel in exchange.groups["ipc.broadcast"]:
        for message in (
            {"type": "ipc.later", "hub": "x"},
            {"type": "ipc.push"},
            {
                "type": "ipc.push",
                "hub": "x",
                "log": "broadcast",
                "prev": "0-0",
                "positions": [],
                "events": [],
                "frames": [],
            },
        ):
            exchange.deliver(channel, message)
    await here.emit(data=1)
    assert await there.hears(1) == [1]
    assert other.counters.pushes_unknown == 3


async def shake(exchange: Exchange, chance: random.Random) -> None:
    """Let some of the pushes that are under way arrive, in any order; lose some, and double some."""
    held, exchange.held = exchange.held, []
    chance.shuffle(held)
    for channel, message in held:
        fate = chance.random()
        if fate < 0.25:
            continue
        if fate < 0.45:
            exchange.held.append((channel, message))
            continue
        for _ in range(2 if fate > 0.85 else 1):
            exchange.deliver(channel, message)
        if chance.random() < 0.5:
            await asyncio.sleep(0)


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_happens_to_pushes_nothing_is_lost_repeated_or_out_of_order(
    make_hub: MakeHub, exchange: Exchange, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Three hubs emit to two logs at once over a layer that does its worst, with sessions that come and go."""
    chance = random.Random(seed)  # noqa: S311 - to be repeatable, no secret
    monkeypatch.setattr(portions, "READ_COUNT", chance.choice([1, 3, 100]))
    hubs = [await make_hub() for _ in range(3)]
    members = [await listening(hub) for hub in hubs for _ in range(2)]
    emitters = [Member(hub, "spark") for hub in hubs]
    exchange.holds = True
    for number in range(40):
        emitter = chance.choice(emitters)
        target = chance.choice([None, "herald"])
        frame = [
            {"type": "emit", "event": "a:b", "data": number * 10 + part, "target": target}
            for part in range(chance.randrange(1, 4))
        ]
        await emitter.say(*frame)
        if chance.random() < 0.6:
            await shake(exchange, chance)
        if chance.random() < 0.1:
            await moved(members, chance)
        if chance.random() < 0.1:
            await chance.choice(hubs).logs.reconcile()
    for emitter in emitters:
        await emitter.emit(data=-1, target="auth")
        assert await emitter.is_well()
    exchange.holds = False
    exchange.deliver_held()
    await reconcile(*hubs)
    expected = {log: await in_log(hubs[0], log) for log in ("broadcast", "exprsn-herald")}
    assert sum(map(len, expected.values())) >= 40
    for member in members:
        await member.hears(sum(map(len, expected.values())))
        assert by_log(member) == expected


async def in_log(hub: Hub, log: str) -> list[int]:
    """Return what the log has, read by a newcomer from its beginning."""
    reader = Member(hub, "herald")
    (last,) = await hub.eventlog.last_positions([log])
    await reader.subscribe("*", since={log: "0-0"})
    await reader.peer.until(lambda: last == "0-0" or any(event["position"] == last for event in reader.peer.events))
    await hub.detach(reader.session)
    return [event["data"] for event in reader.peer.events if event["log"] == log]


async def moved(members: Sequence[Member], chance: random.Random) -> None:
    """Let a session lose its connection and come back on another hub, from the last position it has seen."""
    member = chance.choice(members)
    await member.hub.detach(member.session)
    since = {"broadcast": "0-0", "exprsn-herald": "0-0"}
    since |= {event["log"]: event["position"] for event in member.peer.events}
    elsewhere = chance.choice(members).hub
    back = Member(elsewhere)
    back.peer.messages = member.peer.messages
    ok = await back.subscribe("*", since=since, id=back.session.id)
    assert ok["recovered"] is True
    member.hub, member.session, member.peer = elsewhere, back.session, back.peer
