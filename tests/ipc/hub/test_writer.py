"""The way into a log: batches, repeats, pushes, and what emitters are told when it does not work."""

import asyncio
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from ipc.hub import writer as writer_module
from ipc.hub.counters import Counters
from ipc.hub.push import Push
from ipc.hub.writer import Emission, LogWriter
from ipc.protocol.errors import IPCError, UnavailableError
from ipc.stores.eventlog import Appended, EventLog, NewEvent
from tests.ipc.conftest import MakeHub
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S

LOG = "broadcast"


class Told:
    """What became of one event."""

    def __init__(self) -> None:
        self.position: str | None = None
        self.error: IPCError | None = None
        self.is_repeat = False

    def accepted(self, log: str, position: str, *, is_repeat: bool) -> None:
        self.position = position
        self.is_repeat = is_repeat

    def refused(self, log: str, error: IPCError) -> None:
        self.error = error


class Outlets:
    """Keeps what a writer delivers and publishes."""

    def __init__(self) -> None:
        self.delivered: list[Push] = []
        self.published: list[Push] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: IPCError | None = None

    async def publish(self, push: Push) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.published.append(push)


@pytest.fixture
def outlets() -> Outlets:
    return Outlets()


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def writer(eventlog: EventLog, outlets: Outlets, counters: Counters) -> LogWriter:
    return LogWriter(LOG, eventlog, counters, deliver=outlets.delivered.append, publish=outlets.publish)


def put(writer: LogWriter, *frames: str, key: str = "") -> list[Told]:
    told = [Told() for _ in frames]
    for frame, receipt in zip(frames, told, strict=True):
        writer.put(Emission(NewEvent(key, "a:b", frame), receipt, "exprsn-herald"))
    return told


async def flushed(writer: LogWriter) -> None:
    async with asyncio.timeout(GUARD_S):
        await writer.flushed()


async def test_what_is_put_is_appended_delivered_published_and_told(
    writer: LogWriter, outlets: Outlets, eventlog: EventLog, counters: Counters
) -> None:
    told = put(writer, "one", "two")
    await flushed(writer)
    entries = (await eventlog.read(LOG, after="0-0")).entries
    assert [entry.frame for entry in entries] == ["one", "two"]
    positions = [entry.position for entry in entries]
    assert [receipt.position for receipt in told] == positions
    assert outlets.delivered == outlets.published == [Push(LOG, "0-0", positions, ["a:b", "a:b"], ["one", "two"])]
    assert counters.events_appended == 2


async def test_repeats_are_told_the_first_position_and_go_no_further(
    writer: LogWriter, outlets: Outlets, counters: Counters
) -> None:
    (first,) = put(writer, "one", key="s/1")
    await flushed(writer)
    (again,) = put(writer, "one", key="s/1")
    await flushed(writer)
    assert again.position == first.position is not None
    assert (first.is_repeat, again.is_repeat) == (False, True)
    assert len(outlets.delivered) == len(outlets.published) == 1
    assert (counters.events_appended, counters.events_repeated) == (1, 1)


async def test_a_repeat_among_new_ones_leaves_no_hole(writer: LogWriter, outlets: Outlets) -> None:
    put(writer, "one", key="s/1")
    await flushed(writer)
    repeated = put(writer, "one", key="s/1") + put(writer, "two") + put(writer, "one", key="s/1") + put(writer, "three")
    await flushed(writer)
    first, second = outlets.delivered
    assert second.frames == ["two", "three"]
    assert second.prev == first.positions[-1]
    assert [receipt.position for receipt in repeated] == [
        first.positions[0],
        second.positions[0],
        first.positions[0],
        second.positions[1],
    ]


async def test_pushes_that_wait_and_continue_each_other_are_joined(writer: LogWriter, outlets: Outlets) -> None:
    outlets.gate.clear()
    for number in range(5):
        (told,) = put(writer, f"{number}")
        async with asyncio.timeout(GUARD_S):
            await writer._appends.flushed()
        assert told.position is not None
    outlets.gate.set()
    await flushed(writer)
    assert [push.frames for push in outlets.published] == [["0"], ["1", "2", "3", "4"]]
    assert outlets.published[1].prev == outlets.published[0].positions[-1]
    assert outlets.published[1].positions == [push.positions[0] for push in outlets.delivered[1:]]


async def test_pushes_with_something_of_another_hub_between_them_are_not_joined(
    writer: LogWriter, outlets: Outlets, eventlog: EventLog
) -> None:
    """Who gets the joined push would take it for all there is, and pass over what the other one appended."""
    outlets.gate.clear()
    for frame in ("0", "1"):
        put(writer, frame)
        async with asyncio.timeout(GUARD_S):
            await writer._appends.flushed()
    elsewhere = await eventlog.append(LOG, [NewEvent("", "a:b", "elsewhere")])
    put(writer, "2")
    async with asyncio.timeout(GUARD_S):
        await writer._appends.flushed()
    outlets.gate.set()
    await flushed(writer)
    assert [push.frames for push in outlets.published] == [["0"], ["1"], ["2"]]
    assert outlets.published[2].prev == elsewhere.positions[0]


async def test_a_push_that_is_too_large_only_says_how_far_the_log_is(writer: LogWriter, outlets: Outlets) -> None:
    """Those who follow the log read it there."""
    frame = "é" * (writer_module.MAX_PUSH_BYTES // 2 + 1)
    put(writer, frame)
    await flushed(writer)
    assert [event.frames for event in outlets.published] == [[]]
    assert outlets.published[0].positions == outlets.delivered[0].positions


async def test_a_push_that_is_lost_is_no_loss(writer: LogWriter, outlets: Outlets, counters: Counters) -> None:
    outlets.error = UnavailableError("no Redis")
    (told,) = put(writer, "one")
    await flushed(writer)
    assert told.position is not None
    assert counters.pushes_failed == 1
    outlets.error = None
    put(writer, "two")
    await flushed(writer)
    assert [push.frames for push in outlets.published] == [["two"]]


async def test_it_says_when_it_is_full_and_when_there_is_room(
    eventlog: EventLog, outlets: Outlets, counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "MAX_WAITING_BYTES", 1_000)
    gate = asyncio.Event()
    append = EventLog.append

    async def slow_append(log: EventLog, *args: Any) -> Appended:
        await gate.wait()
        return await append(log, *args)

    monkeypatch.setattr(EventLog, "append", slow_append)
    writer = LogWriter(LOG, eventlog, counters, deliver=outlets.delivered.append, publish=outlets.publish)
    put(writer, "x" * 100)
    await asyncio.sleep(0)
    put(writer, *["x" * 100] * 4)
    fullness = [writer.is_full]
    put(writer, "x" * 100)
    fullness.append(writer.is_full)
    room = asyncio.create_task(writer.room())
    gate.set()
    async with asyncio.timeout(GUARD_S):
        await room
    fullness.append(writer.is_full)
    assert fullness == [False, True, False]
    await flushed(writer)


async def test_without_redis_every_emit_is_refused_with_its_id(make_hub: MakeHub, own_valkey: EmbeddedValkey) -> None:
    """Those that asked for an ok as well as those that did not; when Redis is back, so are they."""
    hub = await make_hub(own_valkey.url)
    member = Member(hub)
    await member.emit(data="before")
    own_valkey.kill()
    await member.say(
        *({"type": "emit", "id": f"e{number}", "event": "a:b", "ack": number % 2 == 0} for number in range(6)),
        {"type": "emit", "id": "many", "event": "a:b", "target": ["herald", "spark", "auth"]},
    )
    for request_id in [*(f"e{number}" for number in range(6)), "many"]:
        error = await member.answer(request_id)
        assert (error["type"], error["code"], error["retryable"]) == ("error", "UNAVAILABLE", True)
    assert await member.is_well()
    told = [message["id"] for message in member.peer.messages if message["type"] == "error"]
    assert sorted(told) == ["e0", "e1", "e2", "e3", "e4", "e5", "many"]
    assert hub.counters.appends_failed == 9
    await asyncio.to_thread(own_valkey.start)
    await member.emit(data="after", id="e0")
