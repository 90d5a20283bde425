"""From when on a session hears a log: now, from a position, again after a break, and what a heartbeat says of it."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from ipc.hub import portions
from ipc.hub.hub import Hub
from ipc.protocol.limits import Limits
from ipc.protocol.positions import position_key
from ipc.stores import keys
from ipc.stores.eventlog import EventLog, NewEvent, Reading
from tests.ipc.conftest import MakeHub
from tests.ipc.exchange import Exchange
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S

BOTH = {"broadcast", "exprsn-herald"}


class SlowReads:
    """Lets reads of the log wait until the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = asyncio.Event()
        self._gate = asyncio.Event()
        read = EventLog.read

        async def slow(eventlog: EventLog, *args: Any, **options: Any) -> Reading:
            if options.get("count") != 1:
                self.begun.set()
                await self._gate.wait()
            return await read(eventlog, *args, **options)

        monkeypatch.setattr(EventLog, "read", slow)

    async def are_begun(self) -> None:
        async with asyncio.timeout(GUARD_S):
            await self.begun.wait()

    def go_on(self) -> None:
        self._gate.set()


@pytest.fixture
def slow_reads(monkeypatch: pytest.MonkeyPatch) -> SlowReads:
    return SlowReads(monkeypatch)


async def test_a_subscription_begins_now(hub: Hub) -> None:
    """And says where now is, on both logs of the service."""
    member = Member(hub)
    before = await member.emit(data="before")
    ok = await member.subscribe("*")
    assert (ok["positions"], "recovered" in ok) == ({"broadcast": before, "exprsn-herald": "0-0"}, False)
    await member.emit(data="after")
    assert await member.hears(1) == ["after"]


async def test_a_session_hears_nothing_it_did_not_subscribe_to(hub: Hub) -> None:
    member, other = Member(hub), Member(hub)
    await other.subscribe("post:*")
    await member.emit("user:updated")
    await member.emit("post:created", 1)
    assert await other.hears(1) == [1]
    assert await member.is_well()
    assert member.heard == []


async def test_an_event_that_several_patterns_match_comes_once(hub: Hub) -> None:
    member = Member(hub)
    await member.subscribe("post:*", "*", "post:created")
    await member.subscribe("*:created")
    await member.emit_numbers(range(3))
    assert await member.hears(3) == [0, 1, 2]


async def test_since_a_position_brings_exactly_what_came_after(hub: Hub) -> None:
    member = Member(hub)
    positions = await member.emit_numbers(range(5))
    targeted = await member.emit("post:created", "targeted", target="herald")
    ok = await member.subscribe("*", since={"broadcast": positions[1], "exprsn-herald": "0-0"})
    assert (ok["recovered"], ok["positions"]) == (True, {"broadcast": positions[1], "exprsn-herald": "0-0"})
    assert "reasons" not in ok
    await member.hears(4)
    by_log = {log: [event["data"] for event in member.peer.events if event["log"] == log] for log in BOTH}
    assert by_log == {"broadcast": [2, 3, 4], "exprsn-herald": ["targeted"]}
    assert targeted in {event["position"] for event in member.peer.events}
    await member.emit(data=5)
    assert (await member.hears(5))[-1] == 5


async def test_since_the_last_position_brings_nothing_twice(hub: Hub) -> None:
    member = Member(hub)
    (position,) = await member.emit_numbers([0])
    ok = await member.subscribe("*", since={"broadcast": position})
    assert ok["recovered"] is True
    await member.emit(data=1)
    assert await member.hears(1) == [1]


async def test_since_filters_by_pattern(hub: Hub) -> None:
    member = Member(hub)
    await member.emit("post:created", 1)
    await member.emit("user:updated", 2)
    await member.emit("post:deleted", 3)
    await member.subscribe("post:*", since={"broadcast": "0-0"})
    assert await member.hears(2) == [1, 3]


async def test_since_a_trimmed_position_brings_no_part(hub: Hub, redis_client: Redis) -> None:
    """Half a history would be taken for a whole one; the answer says why, and where it begins instead."""
    member = Member(hub)
    positions = await member.emit_numbers(range(6))
    await redis_client.xtrim(keys.log("broadcast"), maxlen=3, approximate=False)
    ok = await member.subscribe("*", since={"broadcast": positions[0], "exprsn-herald": "0-0"})
    assert (ok["recovered"], ok["reasons"]) == (False, {"broadcast": "trimmed"})
    assert ok["positions"] == {"broadcast": positions[-1], "exprsn-herald": "0-0"}
    await member.emit(data="next")
    assert await member.hears(1) == ["next"]


async def test_since_an_unknown_position_brings_no_part(hub: Hub) -> None:
    member = Member(hub)
    (position,) = await member.emit_numbers([0])
    ms, seq = position_key(position)
    ok = await member.subscribe("*", since={"broadcast": f"{ms + 1_000_000}-{seq}", "exprsn-herald": "5-5"})
    assert ok["reasons"] == {"broadcast": "unknown_position", "exprsn-herald": "unknown_position"}
    assert ok["positions"] == {"broadcast": position, "exprsn-herald": "0-0"}


async def test_one_log_may_recover_while_the_other_does_not(hub: Hub, redis_client: Redis) -> None:
    member = Member(hub)
    lost = await member.emit_numbers(range(3))
    await member.emit_numbers(range(10, 13), target="herald")
    await redis_client.xtrim(keys.log("broadcast"), maxlen=1, approximate=False)
    ok = await member.subscribe("*", since={"broadcast": lost[0], "exprsn-herald": "0-0"})
    assert (ok["recovered"], ok["reasons"]) == (False, {"broadcast": "trimmed"})
    assert await member.hears(3) == [10, 11, 12]


@pytest.mark.usefixtures("no_reconcile")
async def test_since_may_be_ahead_of_this_hub(make_hub: MakeHub, exchange: Exchange) -> None:
    """A session that comes from another hub knows events that this one has not heard of yet."""
    here, there = await make_hub(), await make_hub()
    neighbour, traveller, emitter = Member(here), Member(here), Member(there)
    await neighbour.subscribe("*")
    await emitter.subscribe("*")
    exchange.holds = True
    positions = await emitter.emit_numbers(range(4))
    assert neighbour.heard == []
    ok = await traveller.subscribe("*", since={"broadcast": positions[1]})
    assert ok["recovered"] is True
    assert await traveller.hears(2) == [2, 3]
    # The hub caught up on the way, for its own sessions too.
    assert await neighbour.hears(4) == [0, 1, 2, 3]
    exchange.holds = False
    exchange.deliver_held()
    await emitter.emit(data=4)
    assert await traveller.hears(3) == [2, 3, 4]
    assert await neighbour.hears(5) == [0, 1, 2, 3, 4]


async def test_a_replay_meets_what_is_emitted_meanwhile(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost or doubled where the replay ends and the live events begin, however long it takes."""
    monkeypatch.setattr(portions, "READ_COUNT", 7)
    emitter, member = Member(hub), Member(hub)
    positions = await emitter.emit_numbers(range(100))
    emitting = asyncio.create_task(emitter.emit_numbers(range(100, 300)))
    await member.subscribe("*", since={"broadcast": positions[9]})
    await emitting
    assert await member.hears(290) == list(range(10, 300))


async def test_a_replay_of_large_events_does_not_drown_its_session(make_hub: MakeHub) -> None:
    """What is larger than the outbox altogether still comes through it, as the session reads."""
    hub = await make_hub(limits=Limits(outbox_bytes=512 * 1024))
    emitter, member = Member(hub), Member(hub)
    large = "x" * (200 * 1024)
    for number in range(40):
        await emitter.emit(data=[number, large])
    await member.subscribe("*", since={"broadcast": "0-0"})
    assert [data[0] for data in await member.hears(40)] == list(range(40))
    assert member.peer.closed is None


async def test_taken_back_is_heard_no_more(hub: Hub) -> None:
    member = Member(hub)
    await member.subscribe("post:*", "user:*")
    assert (await member.ask(type="unsubscribe", events=["post:*", "never:subscribed"]))["type"] == "ok"
    await member.emit("post:created", 1)
    await member.emit("user:updated", 2)
    assert await member.hears(1) == [2]
    await member.ask(type="unsubscribe", events=["user:*"])
    await member.emit("user:updated", 3)
    assert await member.is_well()
    assert member.heard == [2]


async def test_unsubscribing_stops_a_replay_and_resubscribing_loses_nothing(hub: Hub, slow_reads: SlowReads) -> None:
    emitter, member = Member(hub), Member(hub)
    await emitter.emit_numbers(range(50))
    await member.subscribe("*", since={"broadcast": "0-0"})
    await slow_reads.are_begun()
    await member.ask(type="unsubscribe", events=["*"])
    await emitter.emit(data=50)
    slow_reads.go_on()
    assert await member.is_well()
    assert member.heard == []
    await member.subscribe("*", since={"broadcast": "0-0"})
    await emitter.emit(data=51)
    assert await member.hears(52) == list(range(52))


async def test_a_session_that_leaves_during_its_replay_is_forgotten(hub: Hub, slow_reads: SlowReads) -> None:
    emitter, member = Member(hub), Member(hub)
    await emitter.emit_numbers(range(3))
    await member.subscribe("*", since={"broadcast": "0-0"})
    await slow_reads.are_begun()
    await hub.detach(member.session)
    slow_reads.go_on()
    await emitter.emit(data=3)
    assert await emitter.is_well()
    assert member.heard == []
    assert not any(member.session in feed.live for feed in hub.logs.feeds.values())


async def test_a_replay_that_the_log_outruns_sends_its_session_away(
    hub: Hub, redis_client: Redis, slow_reads: SlowReads
) -> None:
    """It comes back, and is then told that it cannot recover everything."""
    emitter, member = Member(hub), Member(hub)
    positions = await emitter.emit_numbers(range(5))
    await member.subscribe("*", since={"broadcast": positions[0]})
    await slow_reads.are_begun()
    await redis_client.xtrim(keys.log("broadcast"), maxlen=1, approximate=False)
    slow_reads.go_on()
    assert await member.peer.close_code() == 4500
    assert member.heard == []
    again = Member(hub)
    assert (await again.subscribe("*", since={"broadcast": positions[0]}))["recovered"] is False


# What heartbeats say


async def pinged(member: Member) -> Any:
    """Return the positions of a heartbeat."""
    before = len(member.peer.messages)
    await member.hub._ping()

    def pings() -> list[Any]:
        return [message for message in member.peer.messages[before:] if message["type"] == "ping"]

    await member.peer.until(lambda: bool(pings()))
    return pings()[0].get("positions", {})


async def test_a_heartbeat_says_up_to_where_everything_was_sent(hub: Hub) -> None:
    """Also past events that the session did not want, so that it need not resume from far behind."""
    member = Member(hub)
    assert await pinged(member) == {}
    await member.subscribe("user:*")
    position = await member.emit("post:created")
    assert await pinged(member) == {"broadcast": position, "exprsn-herald": "0-0"}


async def test_a_heartbeat_says_nothing_of_what_was_taken_back(hub: Hub) -> None:
    """Its position would pass over events that the session will ask for when it resumes."""
    member = Member(hub)
    await member.subscribe("*")
    await member.ask(type="unsubscribe", events=["*"])
    await member.emit("post:created")
    assert await pinged(member) == {}


async def test_a_heartbeat_says_nothing_of_a_log_that_is_being_replayed(hub: Hub, slow_reads: SlowReads) -> None:
    """The session would take the position for its own, and drop what the replay brings then."""
    emitter, member = Member(hub), Member(hub)
    await member.subscribe("user:*")
    positions = await emitter.emit_numbers(range(5))
    await member.subscribe("post:*", since={"broadcast": positions[0], "exprsn-herald": "0-0"})
    await slow_reads.are_begun()
    assert await pinged(member) == {"exprsn-herald": "0-0"}
    slow_reads.go_on()
    assert await member.hears(4) == [1, 2, 3, 4]
    assert await pinged(member) == {"broadcast": positions[-1], "exprsn-herald": "0-0"}


async def test_a_heartbeat_comes_behind_what_it_speaks_of(hub: Hub) -> None:
    member = Member(hub)
    await member.subscribe("*")
    await member.emit_numbers(range(20))
    positions = await pinged(member)
    kinds = [message["type"] for message in member.peer.messages]
    last = max(index for index, kind in enumerate(kinds) if kind == "event")
    assert member.peer.messages[last]["position"] == positions["broadcast"]
    assert kinds.index("ping") > last


async def test_a_replay_reads_events_that_were_appended_by_others(hub: Hub, eventlog: EventLog) -> None:
    """The log is the truth, whoever wrote it."""
    frame = '{"type":"event","id":"1","event":"a:b","source":"exprsn-ca","target":"broadcast","ts":1,"data":7'
    await eventlog.append("broadcast", [NewEvent("", "a:b", frame)])
    member = Member(hub)
    await member.subscribe("*", since={"broadcast": "0-0"})
    assert await member.hears(1) == [7]
