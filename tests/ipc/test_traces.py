"""A trace on its way through workers and hubs: it goes on with each emit and call, and begins where there is none."""

import asyncio
import logging
from typing import Any

import pytest

from ipc import CallContext, EventContext, IPCWorker
from ipc.hub.hub import Hub
from ipc.protocol.traceparent import parse
from ipc.tracing.scope import current_step, facts
from tests.ipc.conftest import StartWorker
from tests.ipc.members import Member
from tests.ipc.parties import Party
from tests.ipc.peers import GUARD_S
from tests.ipc.tracing.recorded import context, recording

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID = TRACE[3:35]
WRONG = ["", "00-x", TRACE.upper(), f"ff{TRACE[2:]}", TRACE[:-3] + '"},{', f"00-{'0' * 32}-{TRACE[36:]}"]


def trace_ids(member: Member) -> list[str | None]:
    steps = [parse(event.get("traceparent")) for event in member.peer.events]
    return [None if step is None else step.trace_id for step in steps]


@pytest.fixture
async def spark(hub: Hub) -> Member:
    """Who hears everything."""
    member = Member(hub, "spark")
    await member.subscribe("*")
    return member


@pytest.mark.parametrize("group", [None, "workers"])
async def test_what_a_handler_emits_goes_on_with_the_trace_of_its_event(
    start: StartWorker, hub: Hub, spark: Member, group: str | None
) -> None:
    """Each step has an id of its own, also in the tasks and threads that the handler begins."""
    worker = IPCWorker("herald")

    @worker.on("post:*", group=group)
    async def handle(data: Any, ctx: EventContext) -> None:
        assert ctx.traceparent == TRACE
        await worker.emit("a:first")
        await asyncio.create_task(worker.emit("a:second"))
        step = await asyncio.to_thread(current_step)
        await worker.emit("a:third", str(step))

    await start(worker, hub)
    await Member(hub, "timeline").emit(traceparent=TRACE)
    await spark.hears(4)
    assert trace_ids(spark) == [TRACE_ID] * 4
    own = parse(spark.heard[-1])
    steps = [parse(event["traceparent"]) for event in spark.peer.events]
    assert len({step.span_id for step in [own, *steps] if step is not None}) == 5
    assert own is not None
    assert own.trace_id == TRACE_ID


async def test_an_event_without_a_trace_begins_one_where_it_is_handled(
    start: StartWorker, hub: Hub, spark: Member
) -> None:
    """The hub begins none: what was emitted without one is heard without one."""
    worker = IPCWorker("herald")

    @worker.on("post:*")
    async def handle(data: Any, ctx: EventContext) -> None:
        await worker.emit("a:first")
        await worker.emit("a:second")

    await start(worker, hub)
    await Member(hub, "timeline").emit()
    await Member(hub, "timeline").emit()
    await spark.hears(6)
    by_event: dict[str, list[str | None]] = {}
    for event, trace_id in zip(spark.peer.events, trace_ids(spark), strict=True):
        by_event.setdefault(event["event"], []).append(trace_id)
    assert by_event["post:created"] == [None, None]
    assert by_event["a:first"] == by_event["a:second"]
    assert len({*by_event["a:first"]} - {None}) == 2


async def test_what_a_worker_emits_by_itself_begins_a_trace(start: StartWorker, hub: Hub, spark: Member) -> None:
    worker = IPCWorker("herald")
    await start(worker, hub)
    await worker.emit("a:first")
    await worker.emit("a:second")
    await spark.hears(2)
    assert len({*trace_ids(spark)} - {None}) == 2


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_traceparent_counts_as_none(hub: Hub, spark: Member, wrong: str) -> None:
    """It is not passed on, by an event or a call, and does not refuse them."""
    caller, owner = Party(hub, "herald"), Party(hub, "timeline")
    await owner.serve("posts")
    await caller.emit(traceparent=wrong)
    await caller.call("c1", traceparent=wrong)
    await spark.hears(1)
    assert "traceparent" not in spark.peer.events[0]
    assert "traceparent" not in await owner.given()


async def test_a_call_goes_on_with_the_trace_through_whoever_answers_it(
    start: StartWorker, hub: Hub, spark: Member
) -> None:
    """An event is handled by a call, which needs another call and emits; and the caller's trace is its own again."""
    herald, timeline, vault = IPCWorker("herald"), IPCWorker("timeline"), IPCWorker("vault")

    @vault.resource("secrets")
    class Secrets:
        async def read(self, ctx: CallContext) -> str | None:
            return ctx.traceparent

    @timeline.resource("posts")
    class Posts:
        async def read(self, key: str) -> Any:
            await timeline.emit("a:answering")
            return await timeline.read("secrets")

    @herald.on("post:*")
    async def handle(data: Any, ctx: EventContext) -> None:
        before = current_step()
        inner = parse(await herald.read("posts", key="1"))
        assert current_step() is before
        await herald.emit("a:done", None if inner is None else inner.trace_id)

    for worker in (vault, timeline, herald):
        await start(worker, hub)
    await Member(hub, "svr").emit(traceparent=TRACE)
    await spark.hears(3)
    assert trace_ids(spark) == [TRACE_ID] * 3
    assert spark.heard[-1] == TRACE_ID


async def test_each_attempt_goes_on_with_the_same_trace(start: StartWorker, hub: Hub, spark: Member) -> None:
    worker = IPCWorker("herald")

    @worker.on("post:*", group="workers", retry={"backoff_ms": [1]})
    async def handle(data: Any, ctx: EventContext) -> None:
        await worker.emit("a:tried", ctx.attempt)
        if ctx.attempt == 1:
            raise RuntimeError("again")

    await start(worker, hub)
    await Member(hub, "timeline").emit(traceparent=TRACE)
    await spark.hears(3)
    assert spark.heard[1:] == [1, 2]
    assert trace_ids(spark) == [TRACE_ID] * 3


@pytest.mark.parametrize("group", [None, "workers"])
async def test_lines_of_a_handler_and_of_its_failure_say_what_they_are_about(
    start: StartWorker, hub: Hub, caplog: pytest.LogCaptureFixture, group: str | None
) -> None:
    """Through a filter here, since the formatter asks at the same moment."""
    worker, found = IPCWorker("herald"), list[tuple[str, dict[str, str]]]()
    failed = asyncio.Event()
    logger = logging.getLogger("test_traces")

    @worker.on("post:*", group=group, retry={"backoff_ms": []} if group else None)
    async def handle(data: Any, ctx: EventContext) -> None:
        logger.warning("at work")
        raise RuntimeError("no")

    @worker.hook("handler_error")
    def note(error: Exception, ctx: EventContext) -> None:
        failed.set()

    def take_down(record: logging.LogRecord) -> bool:
        found.append((record.name, facts()))
        return True

    caplog.handler.addFilter(take_down)
    await start(worker, hub)
    session = next(each.id for each in hub.sessions.values() if each.service == "exprsn-herald")
    await Member(hub, "timeline").emit(id="e1", traceparent=TRACE)
    async with asyncio.timeout(GUARD_S):
        await failed.wait()
    known = {name: facts for name, facts in found if name in {"test_traces", "ipc.run"} and facts}
    assert set(known) == {"test_traces", "ipc.run"}
    for said in known.values():
        assert (said["session"], said["event_id"], said["trace_id"]) == (session, "e1", TRACE_ID)


async def test_spans_are_one_tree_through_events_and_calls(start: StartWorker, hub: Hub, spark: Member) -> None:
    herald, timeline = IPCWorker("herald"), IPCWorker("timeline")

    @timeline.resource("posts")
    class Posts:
        async def read(self, key: str) -> str:
            await timeline.emit("post:read", key)
            return key

    @herald.on("post:created")
    async def handle(data: Any, ctx: EventContext) -> None:
        await herald.read("posts", key="1")
        await herald.emit("notification:sent")

    for worker in (timeline, herald):
        await start(worker, hub)
    with recording() as recorded:
        await timeline.emit("post:created", target=["spark", "herald"])
        await spark.hears(3)
        await herald.stop()
        await timeline.stop()
        calls = [span for span in recorded.finished if span.name == "posts/read"]
        parents = {name: recorded.parent(name) for name in recorded.spans}
    assert len(recorded.traces) == 1
    assert [str(span.kind.name) for span in calls] == ["SERVER", "CLIENT"]
    server, client = calls
    assert server.parent is not None
    assert server.parent.span_id == context(client).span_id
    parents.pop("posts/read")
    assert parents == {
        "send post:created": None,
        "process post:created": "send post:created",
        "send post:read": None if parents["send post:read"] is None else "posts/read",
        "send notification:sent": "process post:created",
    }
