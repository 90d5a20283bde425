"""What a worker hears while it runs, on real hubs: its handlers and hooks, and what they survive."""

import asyncio
from typing import Any

import pytest

from ipc import (
    ConnectionClosedError,
    EventContext,
    IPCError,
    IPCWorker,
)
from ipc.hooks import HookName
from ipc.hub.draining import send_away
from ipc.hub.feed import LogFeed
from ipc.hub.hub import Hub
from ipc.protocol.messages import Welcome
from ipc.stores.eventlog import Gap
from tests.ipc.conftest import StartWorker
from tests.ipc.handled import Handled
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S


async def test_each_handler_gets_its_events_in_order(worker: IPCWorker, start: StartWorker, hub: Hub) -> None:
    """Each has a line of its own; an event that several match reaches them all."""
    ways: dict[str, list[Any]] = {"posts": [], "created": [], "users": []}
    done = Handled()

    @worker.on("post:*", "never:mind")
    async def posts(data: Any, ctx: EventContext) -> None:
        await asyncio.sleep(0)
        ways["posts"].append(data)
        await done(data)

    @worker.on("*:created")
    async def created(data: Any, ctx: EventContext) -> None:
        ways["created"].append((ctx.event, ctx.source, data))
        await done(data)

    await start(worker, hub)
    emitter = Member(hub, "timeline")
    for number in range(10):
        await emitter.emit("post:created" if number % 2 else "post:deleted", number)
    await emitter.emit("user:created", 10, target="herald")
    await done.count(16)
    assert ways["posts"] == list(range(10))
    assert ways["created"][:5] == [("post:created", "exprsn-timeline", number) for number in range(1, 10, 2)]
    assert ways["created"][5] == ("user:created", "exprsn-timeline", 10)


async def test_a_worker_hears_what_it_emits_itself(
    worker: IPCWorker, handled: Handled, start: StartWorker, hub: Hub
) -> None:
    await start(worker, hub)
    await worker.emit("post:created", 1, target="herald")
    assert await handled.count(1) == [1]


async def test_a_handler_that_raises_stops_nothing(
    worker: IPCWorker, handled: Handled, start: StartWorker, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    failed: list[tuple[str, str]] = []

    @worker.on("post:*")
    async def broken(data: Any, ctx: EventContext) -> None:
        raise ValueError(f"cannot do {data}")

    @worker.hook("handler_error")
    def note(error: Exception, ctx: EventContext) -> None:
        failed.append((str(error), ctx.position))

    await start(worker, hub)
    positions = await Member(hub).emit_numbers(range(3))
    assert await handled.count(3) == [0, 1, 2]
    await worker.stop()
    assert failed == [(f"cannot do {number}", position) for number, position in enumerate(positions)]
    assert caplog.text.count("a handler of exprsn-herald failed on post:created") == 3


async def test_hooks_are_called_when_something_happens(start: StartWorker, hub: Hub) -> None:
    """In this process only; those that are async run beside, and what one raises is logged."""
    called: dict[HookName, list[Any]] = {"ready": [], "sent": [], "received": []}
    async_call = asyncio.Event()
    worker = IPCWorker("herald")

    @worker.on("post:*")
    async def handle(data: Any, ctx: EventContext) -> None: ...

    @worker.hook("ready")
    def ready(welcome: Welcome) -> None:
        called["ready"].append(welcome.service)
        raise RuntimeError("a hook of no great quality")

    @worker.hook("ready")
    async def ready_too(welcome: Welcome) -> None:
        async_call.set()

    @worker.hook("sent")
    def sent(event: str, position: str) -> None:
        called["sent"].append((event, position))

    @worker.hook("received")
    def received(ctx: EventContext) -> None:
        called["received"].append(ctx.position)

    await start(worker, hub)
    position = await worker.emit("post:created")
    async with asyncio.timeout(GUARD_S):
        await async_call.wait()
        while not called["received"]:
            await Member(hub).is_well()
    assert called == {"ready": ["exprsn-herald"], "sent": [("post:created", position)], "received": [position]}
    assert hub.counters.events_appended == 1


async def test_a_lost_connection_is_told_and_mended(
    worker: IPCWorker, handled: Handled, start: StartWorker, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipc.hub.draining.DRAIN_SPREAD_MS", 1)
    errors: list[IPCError] = []
    worker.hook("error")(errors.append)
    await start(worker, hub)
    emitter = Member(hub, "timeline")
    await emitter.emit(data=0)
    await handled.count(1)
    session = next(found for found in hub.sessions.values() if found.service == "exprsn-herald")
    await send_away(session)
    await emitter.emit(data=1)
    assert await handled.count(2) == [0, 1]
    assert [type(error) for error in errors] == [ConnectionClosedError]


async def test_events_that_are_gone_for_good_are_told(
    worker: IPCWorker, handled: Handled, start: StartWorker, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[IPCError] = []
    worker.hook("error")(errors.append)
    await start(worker, hub)
    emitter = Member(hub, "timeline")
    await emitter.emit(data=0)
    await handled.count(1)

    async def trimmed(feed: LogFeed, position: str) -> Gap | None:
        return "trimmed" if feed.log == "broadcast" else None

    # The feed is asked, not the log: a worker that is back before the next event would have missed nothing.
    monkeypatch.setattr(LogFeed, "gap_after", trimmed)
    session = next(found for found in hub.sessions.values() if found.service == "exprsn-herald")
    session.close(4500, "again")  # type: ignore[arg-type]  # the number will do
    async with asyncio.timeout(GUARD_S):
        while len(errors) < 2:
            await emitter.is_well()
    assert "missed for good: broadcast (trimmed)" in str(errors[1])
    assert errors[1].details == {"reasons": {"broadcast": "trimmed"}}
