"""A worker whose handlers are behind, or which is told to stop: nothing is lost, doubled, or taken too much."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from ipc import EventContext, IPCError, IPCWorker
from ipc.hub.hub import Hub
from ipc.protocol.limits import Limits
from tests.ipc.conftest import MakeHub, StartWorker
from tests.ipc.handled import Handled
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S
from tests.ipc.transports.scripted import ScriptedTransport

CAPACITY = 1_000


async def emit_many(emitter: Member, numbers: Sequence[int]) -> None:
    """Emit events in large frames, and wait until the log has them."""
    emit = {"type": "emit", "event": "post:created", "target": "herald"}
    for start in range(0, len(numbers), 200):
        await emitter.say(*(emit | {"data": number} for number in numbers[start : start + 200]))
    async with asyncio.timeout(GUARD_S):
        await emitter.hub.logs.writer("exprsn-herald").flushed()


async def paused(hub: Hub, service: str = "exprsn-herald") -> None:
    """Wait until the worker has asked for no more events."""
    observer = Member(hub, "ca")
    async with asyncio.timeout(GUARD_S):
        while any(session.patterns for session in hub.sessions.values() if session.service == service):
            assert await observer.is_well()
    await hub.detach(observer.session)


async def test_handlers_that_are_behind_lose_nothing(
    worker: IPCWorker, handled: Handled, start: StartWorker, make_hub: MakeHub
) -> None:
    """The log keeps what they cannot take yet; heartbeats, which are frequent here, do not change that."""
    hub = await make_hub(limits=Limits(heartbeat_ms=15))
    await start(worker, hub)
    handled.gate.clear()
    await emit_many(Member(hub, "timeline"), range(3 * CAPACITY))
    await paused(hub)
    handled.gate.set()
    assert await handled.count(3 * CAPACITY) == list(range(3 * CAPACITY))


async def test_a_worker_that_comes_back_far_behind_loses_nothing(
    worker: IPCWorker, handled: Handled, start: StartWorker, hub: Hub
) -> None:
    """Its handlers are full before its subscription is even answered."""
    await start(worker, hub)
    emitter = Member(hub, "timeline")
    await emit_many(emitter, range(1))
    await handled.count(1)
    handled.gate.clear()
    session = next(found for found in hub.sessions.values() if found.service == "exprsn-herald")
    session.close(4500, "again")  # type: ignore[arg-type]  # the number will do
    await emit_many(emitter, range(1, 5 * CAPACITY))
    async with asyncio.timeout(GUARD_S):
        await worker.ready()
    await paused(hub)
    handled.gate.set()
    assert await handled.count(5 * CAPACITY) == list(range(5 * CAPACITY))


async def test_a_handler_may_emit_while_the_worker_is_paused(start: StartWorker, hub: Hub) -> None:
    handled = Handled()
    worker = IPCWorker("herald")

    @worker.on("post:*")
    async def handle(data: Any, ctx: EventContext) -> None:
        if data in {0, 1, CAPACITY + 10}:
            await worker.emit("notification:sent", data, target="spark")
        await handled(data)

    await start(worker, hub)
    spark = Member(hub, "spark")
    await spark.subscribe("*")
    handled.gate.clear()
    await emit_many(Member(hub, "timeline"), range(CAPACITY + 100))
    await paused(hub)
    assert await spark.hears(1) == [0]
    handled.gate.set()
    assert await handled.count(CAPACITY + 100) == list(range(CAPACITY + 100))
    assert await spark.hears(3) == [0, 1, CAPACITY + 10]


async def test_a_resume_that_redis_prevents_is_made_good(
    worker: IPCWorker, handled: Handled, start: StartWorker, make_hub: MakeHub, own_valkey: EmbeddedValkey
) -> None:
    hub = await make_hub(own_valkey.url)
    await start(worker, hub)
    handled.gate.clear()
    await emit_many(Member(hub, "timeline"), range(2 * CAPACITY))
    await paused(hub)
    own_valkey.kill()
    errors: asyncio.Queue[IPCError] = asyncio.Queue()
    worker.hook("error")(errors.put_nowait)
    handled.gate.set()
    async with asyncio.timeout(GUARD_S):
        await errors.get()
    await asyncio.to_thread(own_valkey.start)
    assert await handled.count(2 * CAPACITY) == list(range(2 * CAPACITY))


async def test_stopping_finishes_what_was_taken(
    worker: IPCWorker, handled: Handled, start: StartWorker, hub: Hub
) -> None:
    """And takes nothing more."""
    taken = Handled()
    worker.hook("received")(lambda ctx: taken(ctx.position))
    await start(worker, hub)
    handled.gate.clear()
    emitter = Member(hub, "timeline")
    await emit_many(emitter, range(10))
    await taken.count(10)
    stopping = asyncio.create_task(worker.stop())
    await paused(hub)
    await emit_many(emitter, range(10, 20))
    handled.gate.set()
    async with asyncio.timeout(GUARD_S):
        await stopping
    assert handled.data == list(range(10))


async def test_stopping_while_the_handlers_are_behind_takes_nothing_more(
    worker: IPCWorker, handled: Handled, start: StartWorker, hub: Hub
) -> None:
    """Though they catch up meanwhile, which is when a paused worker goes on."""
    await start(worker, hub)
    handled.gate.clear()
    await emit_many(Member(hub, "timeline"), range(3 * CAPACITY))
    await paused(hub)
    stopping = asyncio.create_task(worker.stop())
    await asyncio.sleep(0)
    handled.gate.set()
    async with asyncio.timeout(GUARD_S):
        await stopping
    assert handled.data == list(range(CAPACITY))


async def test_stopping_gives_up_a_handler_that_hangs(
    worker: IPCWorker, handled: Handled, start: StartWorker, hub: Hub
) -> None:
    await start(worker, hub)
    handled.gate.clear()
    await emit_many(Member(hub, "timeline"), range(3))
    async with asyncio.timeout(GUARD_S):
        await worker.stop(timeout_s=0.05)
    assert handled.data == []


async def test_a_bridge_that_does_not_answer_does_not_hold_up_a_stop(
    worker: IPCWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told goodbye, and not waited for."""
    monkeypatch.setattr("ipc.run.LEAVE_TIMEOUT_S", 0.01)
    monkeypatch.setattr("ipc.transports.sender.ANSWER_TIMEOUT_S", 3_600.0)
    transport = ScriptedTransport()
    await worker.start(transport)
    await transport.subscribes()
    await worker.ready()
    async with asyncio.timeout(GUARD_S):
        await worker.stop()
    await transport.hears("unsubscribe")
