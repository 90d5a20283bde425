"""What a service emits, on real hubs: where it is then, what is refused, and how long it tries."""

import asyncio
import json
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from ipc import (
    BadMessageError,
    DeadlineError,
    IPCError,
    IPCWorker,
    UnavailableError,
    UnknownTargetError,
)
from ipc.hub.hub import Hub
from ipc.transports.local import LocalTransport
from tests.ipc.conftest import MakeHub, StartWorker
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S
from tests.ipc.transports.scripted import ScriptedTransport


async def test_emit_returns_the_position_in_the_log(worker: IPCWorker, start: StartWorker, hub: Hub) -> None:
    await start(worker, hub)
    spark = Member(hub, "spark")
    await spark.subscribe("*")
    position = await worker.emit("notification:sent", {"é": [1]}, target="spark", id="n-1", meta={"try": 2})
    await spark.hears(1)
    (event,) = spark.peer.events
    assert (event["position"], event["id"], event["data"], event["meta"]) == (position, "n-1", {"é": [1]}, {"try": 2})
    assert (event["source"], event["target"]) == ("exprsn-herald", "exprsn-spark")


async def test_emit_to_several_returns_the_first_position(worker: IPCWorker, start: StartWorker, hub: Hub) -> None:
    await start(worker, hub)
    position = await worker.emit("a:b", target=("spark", "exprsn-auth"))
    assert await hub.eventlog.last_positions(["exprsn-spark"]) == [position]
    assert await hub.eventlog.last_positions(["exprsn-auth"]) != ["0-0"]


async def test_emit_with_a_known_id_returns_the_first_position(worker: IPCWorker, start: StartWorker, hub: Hub) -> None:
    """Also when several tasks emit it at the same time."""
    await start(worker, hub)
    positions = await asyncio.gather(*(worker.emit("a:b", 1, id="once") for _ in range(5)))
    assert len(set(positions)) == 1
    assert await worker.emit("a:b", 1, id="once") == positions[0]
    assert len((await hub.eventlog.read("broadcast", after="0-0")).entries) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"event": "post"}, BadMessageError, "'post' is not an event name"),
        ({"event": "post:*"}, BadMessageError, "is not an event name"),
        ({"event": "a:b", "target": "nobody"}, UnknownTargetError, "nobody"),
        ({"event": "a:b", "target": []}, UnknownTargetError, "1 to 32 names"),
        ({"event": "a:b", "data": object()}, BadMessageError, "no JSON form"),
        ({"event": "a:b", "data": "\ud800"}, BadMessageError, "no JSON form"),
        ({"event": "a:b", "data": "x" * 262_144}, BadMessageError, "at most 262144 bytes"),
        ({"event": "a:b", "data": json.loads("[" * 65 + "]" * 65)}, BadMessageError, "at most 64 deep"),
        ({"event": "a:b", "meta": {"x": object()}}, BadMessageError, "no JSON form"),
        ({"event": "a:b", "id": "x" * 65}, BadMessageError, "at most 64 characters"),
        ({"event": "a:b", "id": "\ud800"}, BadMessageError, "no JSON form"),
    ],
)
async def test_what_cannot_be_emitted_is_refused_before_it_is_sent(
    worker: IPCWorker, arguments: dict[str, Any], error: type[IPCError], says: str
) -> None:
    """So it is refused at once, whether there is a connection or not."""
    with pytest.raises(error, match=says):
        await worker.emit(**arguments)


async def test_emit_before_start_and_after_stop_says_what_to_do(worker: IPCWorker, hub: Hub) -> None:
    with pytest.raises(UnavailableError, match=r"await start\(\) or run\(\) before emit\(\)"):
        await worker.emit("a:b")
    await worker.start(LocalTransport(hub, "herald"))
    await worker.emit("a:b")
    await worker.stop()
    with pytest.raises(UnavailableError):
        await worker.emit("a:b")


async def test_emit_gives_up_in_time(worker: IPCWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipc.run.LEAVE_TIMEOUT_S", 0.01)
    await worker.start(ScriptedTransport())
    with pytest.raises(DeadlineError, match=r"no answer within 0\.05 s"):
        await worker.emit("a:b", timeout_s=0.05)
    await worker.stop()


async def test_an_emit_that_is_waiting_survives_redis(
    worker: IPCWorker, start: StartWorker, make_hub: MakeHub, own_valkey: EmbeddedValkey
) -> None:
    hub = await make_hub(own_valkey.url)
    await start(worker, hub)
    await worker.emit("a:b", 0)
    own_valkey.kill()
    emitting = asyncio.create_task(worker.emit("a:b", 1))
    await asyncio.to_thread(own_valkey.start)
    async with asyncio.timeout(GUARD_S):
        position = await emitting
    entries = (await hub.eventlog.read("broadcast", after="0-0")).entries
    assert [entry.position for entry in entries][1:] == [position]
