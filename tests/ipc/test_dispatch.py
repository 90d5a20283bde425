"""From events to handlers: one at a time and in order in each lane, whatever the handlers do."""

import asyncio
from typing import Any

import pytest
from msgspec import Raw

from ipc.dispatch import Dispatcher, EventContext, Lane
from ipc.protocol.messages import Event
from tests.ipc.peers import GUARD_S

Failure = tuple[Exception, EventContext]


def event(number: int, name: str = "post:created", data: bytes | None = None) -> Event:
    return Event(
        id=f"e{number}",
        event=name,
        source="exprsn-timeline",
        target=["exprsn-herald"],
        ts=1_700_000_000_000,
        data=Raw(data if data is not None else str(number).encode()),
        log="exprsn-herald",
        position=f"{number}-0",
        meta={"try": 1},
        traceparent="00-x",
    )


async def ignore(data: Any, ctx: EventContext) -> None: ...


@pytest.fixture
def failures() -> list[Failure]:
    return []


def make(failures: list[Failure], *, capacity: int = 1_000) -> Dispatcher:
    return Dispatcher(lambda error, context: failures.append((error, context)), capacity=capacity)


async def finished(dispatcher: Dispatcher) -> int:
    return await dispatcher.finish(timeout_s=GUARD_S)


async def test_a_handler_gets_its_events_one_at_a_time_in_order(failures: list[Failure]) -> None:
    handled: list[tuple[str, int]] = []

    async def handler(data: Any, ctx: EventContext) -> None:
        handled.append(("begin", data))
        for _ in range(3):
            await asyncio.sleep(0)
        handled.append(("end", data))

    dispatcher = make(failures)
    dispatcher.add(Lane(["post:*"], handler))
    assert all(dispatcher.take(event(number)) for number in range(5))
    assert await finished(dispatcher) == 0
    assert handled == [(step, number) for number in range(5) for step in ("begin", "end")]
    assert failures == []


async def test_a_handler_gets_all_that_came_with_the_event(failures: list[Failure]) -> None:
    contexts: list[EventContext] = []

    async def handler(data: Any, ctx: EventContext) -> None:
        contexts.append(ctx)

    dispatcher = make(failures)
    dispatcher.add(Lane(["*"], handler))
    dispatcher.take(event(7))
    await finished(dispatcher)
    (context,) = contexts
    assert (context.event, context.source, context.target) == ("post:created", "exprsn-timeline", ["exprsn-herald"])
    assert (context.id, context.log, context.position) == ("e7", "exprsn-herald", "7-0")
    assert (context.timestamp, context.meta, context.traceparent) == (1_700_000_000_000, {"try": 1}, "00-x")
    assert (context.group, context.attempt) == (None, 1)
    assert context.age_ms > 0


async def test_a_slow_lane_does_not_hold_up_another(failures: list[Failure]) -> None:
    gate = asyncio.Event()
    fast_is_done = asyncio.Event()
    slow_handled: list[int] = []

    async def slow(data: Any, ctx: EventContext) -> None:
        await gate.wait()
        slow_handled.append(data)

    async def fast(data: Any, ctx: EventContext) -> None:
        if data == 4:
            fast_is_done.set()

    dispatcher = make(failures)
    dispatcher.add(Lane(["*"], slow))
    dispatcher.add(Lane(["*"], fast))
    for number in range(5):
        dispatcher.take(event(number))
    async with asyncio.timeout(GUARD_S):
        await fast_is_done.wait()
    assert slow_handled == []
    gate.set()
    await finished(dispatcher)
    assert slow_handled == list(range(5))


async def test_a_lane_gets_what_one_of_its_patterns_matches_once(failures: list[Failure]) -> None:
    handled: list[str] = []

    async def handler(data: Any, ctx: EventContext) -> None:
        handled.append(ctx.event)

    dispatcher = make(failures)
    dispatcher.add(Lane(["post:*", "*:created"], handler))
    for name in ("post:created", "user:updated", "user:created", "post:deleted"):
        dispatcher.take(event(1, name))
    await finished(dispatcher)
    assert handled == ["post:created", "user:created", "post:deleted"]


async def test_handlers_do_not_see_what_others_do_to_the_data(failures: list[Failure]) -> None:
    seen: list[Any] = []

    async def spoiler(data: Any, ctx: EventContext) -> None:
        data["spoiled"] = True
        seen.append(dict(data))

    dispatcher = make(failures)
    dispatcher.add(Lane(["*"], spoiler))
    dispatcher.add(Lane(["*"], spoiler))
    dispatcher.take(event(1, data=b'{"a":1}'))
    await finished(dispatcher)
    assert seen == [{"a": 1, "spoiled": True}] * 2


async def test_what_a_handler_raises_stops_nothing(failures: list[Failure]) -> None:
    handled: list[int] = []

    async def handler(data: Any, ctx: EventContext) -> None:
        if data % 2:
            raise ValueError(f"odd: {data}")
        handled.append(data)

    dispatcher = make(failures)
    dispatcher.add(Lane(["*"], handler))
    for number in range(6):
        dispatcher.take(event(number))
    await finished(dispatcher)
    assert handled == [0, 2, 4]
    assert [(str(error), context.position) for error, context in failures] == [
        ("odd: 1", "1-0"),
        ("odd: 3", "3-0"),
        ("odd: 5", "5-0"),
    ]


async def test_a_handler_that_lets_a_cancellation_out_stops_nothing(failures: list[Failure]) -> None:
    """It cancelled a task of its own and awaited it; nobody has cancelled the lane."""
    handled: list[int] = []

    async def handler(data: Any, ctx: EventContext) -> None:
        if data == 1:
            helper = asyncio.create_task(asyncio.Event().wait())
            helper.cancel()
            await helper
        handled.append(data)

    dispatcher = make(failures)
    dispatcher.add(Lane(["*"], handler))
    for number in range(3):
        dispatcher.take(event(number))
    await finished(dispatcher)
    assert handled == [0, 2]
    ((error, context),) = failures
    assert "CancelledError" in str(error)
    assert context.position == "1-0"


async def test_data_that_cannot_be_read_is_the_failure_of_its_event_only(failures: list[Failure]) -> None:
    handled: list[int] = []

    async def handler(data: Any, ctx: EventContext) -> None:
        handled.append(data)

    dispatcher = make(failures)
    dispatcher.add(Lane(["*"], handler))
    dispatcher.take(event(1, data=b"1e999"))
    dispatcher.take(event(2))
    await finished(dispatcher)
    assert (handled, len(failures)) == ([2], 1)


async def test_too_much_is_not_taken_until_half_of_it_is_handled(failures: list[Failure]) -> None:
    turns: asyncio.Queue[None] = asyncio.Queue()
    handled: asyncio.Queue[int] = asyncio.Queue()

    async def handler(data: Any, ctx: EventContext) -> None:
        await turns.get()
        handled.put_nowait(data)

    dispatcher = make(failures, capacity=4)
    dispatcher.add(Lane(["*"], handler))
    assert [dispatcher.take(event(number)) for number in range(6)] == [True] * 4 + [False] * 2
    waiting = asyncio.create_task(dispatcher.room())
    turns.put_nowait(None)
    assert await handled.get() == 0
    await asyncio.sleep(0)
    assert not waiting.done()
    turns.put_nowait(None)
    async with asyncio.timeout(GUARD_S):
        await waiting
    assert [dispatcher.take(event(number)) for number in (4, 5, 6)] == [True, True, False]
    for _ in range(4):
        turns.put_nowait(None)
    await finished(dispatcher)
    assert [handled.get_nowait() for _ in range(5)] == [1, 2, 3, 4, 5]


async def test_events_that_no_lane_wants_take_no_room(failures: list[Failure]) -> None:
    dispatcher = make(failures, capacity=1)
    dispatcher.add(Lane(["user:*"], ignore))
    assert all(dispatcher.take(event(number)) for number in range(10))
    assert await finished(dispatcher) == 0


async def test_finishing_gives_up_what_takes_too_long(
    failures: list[Failure], caplog: pytest.LogCaptureFixture
) -> None:
    handled: list[int] = []
    was_cancelled = asyncio.Event()

    async def handler(data: Any, ctx: EventContext) -> None:
        try:
            if data == 1:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled.set()
            raise
        handled.append(data)

    dispatcher = make(failures)
    dispatcher.add(Lane(["*"], handler))
    for number in range(4):
        dispatcher.take(event(number))
    assert await dispatcher.finish(timeout_s=0.05) == 3
    assert (handled, was_cancelled.is_set(), failures) == ([0], True, [])
    assert "3 events were not handled in time" in caplog.text


async def test_a_lane_is_named_after_its_handler(failures: list[Failure]) -> None:
    gate = asyncio.Event()

    async def notify(data: Any, ctx: EventContext) -> None:
        await gate.wait()

    dispatcher = make(failures)
    dispatcher.add(Lane(["*"], notify))
    dispatcher.take(event(1))
    assert [task.get_name() for task in dispatcher.running] == ["dispatcher: notify"]
    gate.set()
    await finished(dispatcher)
    assert dispatcher.running == frozenset()
