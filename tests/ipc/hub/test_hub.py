"""One hub with its sessions on the real Valkey: who hears what, who is sent away, and how it leaves."""

import asyncio
import re
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from ipc.hub import draining
from ipc.hub import hub as hub_module
from ipc.hub import writer as writer_module
from ipc.hub.hub import Hub
from ipc.protocol.errors import OverloadedError
from ipc.protocol.limits import Limits
from ipc.protocol.positions import position_key
from ipc.protocol.services import SERVICES
from ipc.stores.eventlog import EventLog, NewEvent, Reading
from tests.ipc.conftest import MakeHub
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S


async def test_who_is_let_in_is_welcomed(make_hub: MakeHub) -> None:
    """With all that a client has to know of the limits it is held to."""
    hub = await make_hub(limits=Limits(frame_bytes=5_000, data_bytes=4_000, messages_per_frame=3, heartbeat_ms=9_000))
    member = Member(hub, "herald")
    await member.peer.until(lambda: len(member.peer.messages) == 1)
    assert member.peer.messages == [
        {
            "type": "welcome",
            "session": member.session.id,
            "instance": member.session.instance,
            "service": "exprsn-herald",
            "limits": {"frame_bytes": 5_000, "data_bytes": 4_000, "messages_per_frame": 3},
            "heartbeat_ms": 9_000,
        }
    ]


async def test_a_service_has_so_many_sessions_at_a_hub(make_hub: MakeHub) -> None:
    """So that nobody takes all sockets of a bridge with one token; another service is let in all the same."""
    hub = await make_hub(limits=Limits(sessions_per_service=2))
    first, _ = Member(hub, "herald"), Member(hub, "herald")
    with pytest.raises(OverloadedError, match="exprsn-herald has 2 sessions here"):
        Member(hub, "herald")
    assert await Member(hub, "spark").is_well()
    for _ in range(2):
        await hub.detach(first.session)
    assert await Member(hub, "herald").is_well()
    with pytest.raises(OverloadedError):
        Member(hub, "herald")


# Who hears what


async def test_a_broadcast_reaches_every_service(hub: Hub) -> None:
    members = {service: Member(hub, service) for service in SERVICES}
    for member in members.values():
        await member.subscribe("post:*")
    await members["exprsn-timeline"].emit(data=1)
    await members["exprsn-timeline"].emit(data=2, target="broadcast")
    for member in members.values():
        assert await member.hears(2) == [1, 2]
        assert {event["log"] for event in member.peer.events} == {"broadcast"}


async def test_a_targeted_event_reaches_all_instances_of_its_service_only(hub: Hub) -> None:
    heralds = [Member(hub, "herald") for _ in range(3)]
    spark = Member(hub, "spark")
    for member in (*heralds, spark):
        await member.subscribe("*")
    await spark.emit(data="short", target="herald")
    await spark.emit(data="full", target="exprsn-herald")
    await spark.emit(data="all")
    for herald in heralds:
        assert sorted(await herald.hears(3)) == ["all", "full", "short"]
    assert await spark.hears(1) == ["all"]


async def test_a_list_reaches_each_of_its_services_once(hub: Hub) -> None:
    """The ok has the position in each log, in the order given, and the first one by itself."""
    herald, spark, auth = (Member(hub, service) for service in ("herald", "spark", "auth"))
    for member in (herald, spark, auth):
        await member.subscribe("*")
    ok = await auth.ask(type="emit", event="a:b", target=["spark", "exprsn-herald", "spark"], data=1, ack=True)
    assert list(ok["positions"]) == ["exprsn-spark", "exprsn-herald"]
    assert ok["position"] == ok["positions"]["exprsn-spark"]
    assert (await herald.hears(1), await spark.hears(1)) == ([1], [1])
    for member in (herald, spark):
        (event,) = member.peer.events
        assert event["position"] == ok["positions"][event["log"]]
        assert event["target"] == ["exprsn-spark", "exprsn-herald"]
    assert await auth.is_well()
    assert auth.heard == []


async def test_a_list_with_broadcast_in_it_is_heard_once(hub: Hub) -> None:
    herald = Member(hub, "herald")
    await herald.subscribe("*")
    await herald.emit(data=1, target=["herald", "broadcast"])
    await herald.emit(data=2)
    assert await herald.hears(2) == [1, 2]


async def test_who_subscribes_hears_its_own_events(hub: Hub) -> None:
    member = Member(hub)
    await member.subscribe("*")
    await member.emit(data=1, target="herald")
    assert await member.hears(1) == [1]


async def test_an_emit_with_a_known_id_gets_the_first_position(hub: Hub) -> None:
    """From any instance of the service, since a retry may come through another; other services have their own."""
    first, second, other = Member(hub, "herald"), Member(hub, "herald"), Member(hub, "spark")
    await other.subscribe("*")
    position = await first.emit(data=1, id="n-1")
    assert await first.emit(data=1, id="n-1") == position
    assert await second.emit(data=1, id="n-1") == position
    assert await other.emit(data=2, id="n-1") != position
    assert await other.hears(2) == [1, 2]


async def test_a_repeat_with_more_targets_reaches_those_it_had_not(hub: Hub) -> None:
    herald, spark = Member(hub, "herald"), Member(hub, "spark")
    await herald.subscribe("*")
    await spark.subscribe("*")
    position = await herald.emit(data=1, id="n-1", target="herald")
    ok = await herald.ask(type="emit", event="post:created", data=1, id="n-1", target=["herald", "spark"], ack=True)
    assert ok["positions"]["exprsn-herald"] == position
    assert (await herald.hears(1), await spark.hears(1)) == ([1], [1])


async def test_the_order_of_an_emitter_is_kept(hub: Hub) -> None:
    """Also within one frame, and against frames that are in flight."""
    emitter, member = Member(hub), Member(hub)
    await member.subscribe("*")
    for start in range(0, 600, 100):
        await emitter.say(*({"type": "emit", "event": "a:b", "data": number} for number in range(start, start + 100)))
    assert await member.hears(600) == list(range(600))


# Who is sent away


async def test_a_session_that_does_not_read_is_closed_and_its_neighbours_go_on(make_hub: MakeHub) -> None:
    hub = await make_hub(limits=Limits(outbox_bytes=50_000))
    slow, well, emitter = Member(hub), Member(hub), Member(hub)
    for member in (slow, well):
        await member.subscribe("*")
    assert await slow.is_well()
    slow.peer.stop_reading()
    for number in range(20):
        await emitter.emit(data=[number, "x" * 5_000])
        await well.hears(number + 1)
    assert await slow.peer.close_code() == 4429
    assert [data[0] for data in well.heard] == list(range(20))
    assert (well.peer.closed, slow.heard) == (None, [])
    assert slow.session._outbox.size == 0
    assert slow.session.id not in hub.sessions


async def test_a_session_that_leaves_two_heartbeats_unanswered_is_closed(make_hub: MakeHub) -> None:
    """By the hub's own clock; one that answers stays."""
    hub = await make_hub(limits=Limits(heartbeat_ms=30))
    silent, well = Member(hub, is_mute=True), Member(hub)
    assert await silent.peer.close_code() == 4429
    assert count_pings(silent) == 2
    await well.peer.until(lambda: count_pings(well) > 2)
    assert well.peer.closed is None


def count_pings(member: Member) -> int:
    return sum(message["type"] == "ping" for message in member.peer.messages)


async def test_a_session_that_is_detached_hears_nothing_more(hub: Hub) -> None:
    member, emitter = Member(hub), Member(hub)
    await member.subscribe("*")
    await hub.detach(member.session)
    await emitter.emit()
    assert await emitter.is_well()
    assert (member.heard, member.peer.closed) == ([], None)
    assert list(hub.sessions) == [emitter.session.id]


async def test_an_emitter_waits_while_the_log_takes_no_more(make_hub: MakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a session may have on its way is bounded, by not reading on from it."""
    monkeypatch.setattr(writer_module, "MAX_WAITING_BYTES", 2_000)
    hub = await make_hub()
    member, other = Member(hub), Member(hub)
    gate = asyncio.Event()
    append = hub.eventlog.append

    async def slow_append(*args: object) -> object:
        await gate.wait()
        return await append(*args)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(hub.eventlog, "append", slow_append)
    saying = asyncio.create_task(
        member.say(*({"type": "emit", "event": "a:b", "data": "x" * 300, "id": f"{n}"} for n in range(50)))
    )
    await asyncio.sleep(0)
    assert await other.is_well()
    assert not saying.done()
    assert hub.logs.writer("broadcast")._appends.size < 3_000
    gate.set()
    async with asyncio.timeout(GUARD_S):
        await saying
    await member.emit(data="last")
    assert hub.counters.events_appended == 51


# Leaving


async def test_draining_tells_every_session_when_to_come_back(hub: Hub) -> None:
    """Each its own delay, first in a notice, then in the reason of 4503; what was accepted is still appended."""
    members = [Member(hub) for _ in range(20)]
    await members[0].subscribe("*")
    await members[0].say(*({"type": "emit", "event": "a:b", "data": number} for number in range(100)))
    await hub.stop()
    delays = set()
    for member in members:
        assert member.peer.closed is not None
        code, reason = member.peer.closed
        (notice,) = [message for message in member.peer.messages if message["type"] == "notice"]
        assert (code, notice["notice"]) == (4503, "draining")
        found = re.fullmatch(r"draining, reconnect in (\d+) ms", reason)
        assert found is not None
        assert int(found[1]) == notice["retry_after_ms"] < draining.DRAIN_SPREAD_MS
        delays.add(int(found[1]))
    assert len(delays) > 10
    assert hub.is_draining


async def test_what_was_accepted_before_the_stop_is_in_the_log(hub: Hub, make_hub: MakeHub) -> None:
    member = Member(hub)
    await member.say(*({"type": "emit", "event": "a:b", "data": number} for number in range(500)))
    await hub.stop()
    reader = Member(await make_hub())
    await reader.subscribe("*", since={"broadcast": "0-0"})
    assert await reader.hears(500) == list(range(500))


async def test_a_stop_waits_only_so_long_for_redis(
    make_hub: MakeHub, own_valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "COMMAND_TIMEOUT_S", 0.1)
    hub = await make_hub(own_valkey.url)
    member = Member(hub)
    await member.emit()
    own_valkey.pause()
    try:
        await member.say({"type": "emit", "event": "a:b", "id": "1", "ack": True})
        async with asyncio.timeout(GUARD_S):
            await hub.stop()
        assert member.peer.closed is not None
        assert not [message for message in member.peer.messages if message.get("id") == "1"]
    finally:
        own_valkey.resume()


# Bad days


async def test_a_hub_starts_without_redis_and_works_when_it_is_there(
    make_hub: MakeHub, own_valkey: EmbeddedValkey
) -> None:
    own_valkey.kill()
    hub = await make_hub(own_valkey.url)
    member = Member(hub)
    refused = await member.ask(type="subscribe", events=["*"])
    assert (refused["code"], refused["retryable"]) == ("UNAVAILABLE", True)
    assert list(member.session.patterns) == []
    await asyncio.to_thread(own_valkey.start)
    await member.subscribe("*")
    await member.emit(data=1)
    assert await member.hears(1) == [1]


async def test_an_append_without_an_answer_may_have_happened_and_is_heard_then(
    make_hub: MakeHub, own_valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emitter is told TIMEOUT; the event, which is in the log, is found there, and its repeat is no second one."""
    monkeypatch.setattr("ipc.stores.connection.COMMAND_TIMEOUT_S", 0.3)
    hub = await make_hub(own_valkey.url)
    member = Member(hub)
    await member.subscribe("*")
    await member.emit(data=0)
    own_valkey.pause()
    refused = await member.ask(type="emit", event="a:b", id="once", data=1, ack=True)
    assert (refused["code"], refused["retryable"]) == ("TIMEOUT", True)
    own_valkey.resume()
    assert await member.hears(2) == [0, 1]
    position = await member.emit("a:b", 1, id="once")
    assert position == member.peer.events[1]["position"]
    await member.emit(data=2)
    assert await member.hears(3) == [0, 1, 2]


async def test_the_lag_is_that_of_the_log_it_is_furthest_behind(
    hub: Hub, eventlog: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the log's own time, and none where there is nothing to be behind of."""
    gate = asyncio.Event()
    read = EventLog.read

    async def slow_read(log: EventLog, *args: Any, **options: Any) -> Reading:
        await gate.wait()
        return await read(log, *args, **options)

    monkeypatch.setattr(EventLog, "read", slow_read)
    member = Member(hub)
    await member.subscribe("*")
    first_ms = position_key(await member.emit())[0]
    assert await hub.logs.lag_ms() == 0
    frame = '{"type":"event","event":"a:b","data":1'
    await eventlog.append("exprsn-herald", [NewEvent("", "a:b", frame)])
    last = await behind(eventlog, NewEvent("", "a:b", frame), first_ms)
    await hub.logs.reconcile()
    assert await hub.logs.lag_ms() == position_key(last)[0] - first_ms > 0
    gate.set()
    await member.hears(3)
    assert await hub.logs.lag_ms() == 0


async def behind(eventlog: EventLog, event: NewEvent, first_ms: int) -> str:
    """Append to the broadcast log until the server's clock has gone on since the first event."""
    while True:
        (position,) = (await eventlog.append("broadcast", [event])).positions
        if position_key(position)[0] > first_ms:
            return position


async def test_old_events_are_trimmed_from_all_logs(make_hub: MakeHub) -> None:
    hub = await make_hub(log_ttl_s=-1)
    member = Member(hub)
    await member.subscribe("*")
    await member.emit_numbers(range(3))
    await member.emit_numbers(range(3), target=["herald", "spark"])
    await hub.logs.trim()
    for log in ("broadcast", "exprsn-herald", "exprsn-spark"):
        assert (await hub.eventlog.read(log, after="0-0")).entries == []
    await member.emit(data="next")
    assert (await member.hears(7))[-1] == "next"
