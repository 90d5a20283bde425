"""A worker's membership in a group: how each end of a handler is answered."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import Raw

from ipc.dispatch import EventContext
from ipc.members import MAX_EXCERPT, MAX_REASON, Members, Membership, Reject
from ipc.protocol import codec
from ipc.protocol.messages import Ack, Event, Nack, Progress

GUARD_S = 20.0


class Recorder:
    """Keeps the answers, as they would be sent, and the errors that were told."""

    def __init__(self) -> None:
        self.answers: list[Ack | Nack | Progress] = []
        self.errors: list[Exception] = []

    def settle(self, answer: Ack | Nack | Progress, session: str) -> None:
        assert session == "session"
        codec.encode(answer)
        self.answers.append(answer)

    def failed(self, error: Exception, context: EventContext) -> None:
        self.errors.append(error)


class Rig:
    def __init__(self) -> None:
        self.recorder = Recorder()
        self.members = Members(self.recorder.failed)
        self._deliveries = 0

    def add(self, handler: Any, **options: Any) -> Membership:
        self.members.add(Membership("notify", handler, **options))
        return self.members._memberships["notify"]

    def deliver(self, event_id: str = "e1", *, source: str = "exprsn-timeline", data: bytes = b"1") -> str:
        self._deliveries += 1
        event = Event(
            id=event_id,
            event="post:created",
            source=source,
            target="broadcast",
            ts=1,
            data=Raw(data),
            log="broadcast",
            position="1-0",
            group="notify",
            delivery=str(self._deliveries),
            attempt=1,
        )
        self.members.take(event, "session", self.recorder)
        return str(self._deliveries)

    async def done(self) -> list[Ack | Nack | Progress]:
        async with asyncio.timeout(GUARD_S):
            while self.members.running:
                await asyncio.wait(self.members.running)
        return self.recorder.answers


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    rig = Rig()
    yield rig
    await rig.members.finish(timeout_s=0)


async def test_what_returns_is_acknowledged(rig: Rig) -> None:
    seen: list[Any] = []

    async def handler(data: Any, ctx: EventContext) -> None:
        seen.append((data, ctx.group, ctx.attempt))

    rig.add(handler)
    delivery = rig.deliver()
    assert await rig.done() == [Ack(deliveries=[delivery])]
    assert seen == [(1, "notify", 1)]


async def test_what_raises_is_a_failure_with_the_reason(rig: Rig) -> None:
    async def handler(data: Any, ctx: EventContext) -> None:
        raise ValueError("no such user")

    rig.add(handler)
    rig.deliver()
    (nack,) = await rig.done()
    assert isinstance(nack, Nack)
    assert (nack.reason, nack.reject, nack.retry_in_ms) == ("ValueError: no such user", False, None)
    assert "in handler" in (nack.traceback or "")
    assert [str(error) for error in rig.recorder.errors] == ["no such user"]


async def test_reject_is_final(rig: Rig) -> None:
    async def handler(data: Any, ctx: EventContext) -> None:
        raise Reject("never")

    rig.add(handler)
    rig.deliver()
    (nack,) = await rig.done()
    assert isinstance(nack, Nack)
    assert (nack.reason, nack.reject) == ("Reject: never", True)


@pytest.mark.parametrize("text", ["x" * 10_000_000, "\ud800 lone", ""])
async def test_whatever_an_exception_says_can_be_sent(rig: Rig, text: str) -> None:
    """A frame that is too large, or no UTF-8, would end the session instead of the attempt."""

    async def handler(data: Any, ctx: EventContext) -> None:
        raise ValueError(text)

    rig.add(handler)
    rig.deliver()
    (nack,) = await rig.done()
    assert isinstance(nack, Nack)
    assert 0 < len(nack.reason) <= MAX_REASON + 10
    assert len(nack.traceback or "") <= MAX_EXCERPT + 10


async def test_a_handler_that_lets_a_cancellation_out_has_failed(rig: Rig) -> None:
    """Nobody is stopping; it is the end of a task of its own."""

    async def handler(data: Any, ctx: EventContext) -> None:
        raise asyncio.CancelledError

    rig.add(handler)
    rig.deliver()
    (nack,) = await rig.done()
    assert isinstance(nack, Nack)
    assert "CancelledError" in nack.reason


async def test_what_is_cut_off_by_the_stop_is_not_answered(rig: Rig) -> None:
    """The hub gives it to another member when the connection closes, and it is no failure."""
    began = asyncio.Event()

    async def handler(data: Any, ctx: EventContext) -> None:
        began.set()
        await asyncio.Event().wait()

    rig.add(handler)
    rig.deliver()
    await began.wait()
    await rig.members.finish(timeout_s=0)
    assert (rig.recorder.answers, rig.recorder.errors) == ([], [])


async def test_the_stop_waits_for_what_is_being_handled(rig: Rig) -> None:
    began, may_end = asyncio.Event(), asyncio.Event()

    async def handler(data: Any, ctx: EventContext) -> None:
        began.set()
        await may_end.wait()

    rig.add(handler)
    delivery = rig.deliver()
    await began.wait()
    finishing = asyncio.create_task(rig.members.finish(timeout_s=GUARD_S))
    may_end.set()
    await finishing
    assert rig.recorder.answers == [Ack(deliveries=[delivery])]


async def test_progress_is_said_while_the_handler_runs(rig: Rig) -> None:
    async def handler(data: Any, ctx: EventContext) -> None:
        ctx.progress()

    rig.add(handler)
    delivery = rig.deliver()
    assert await rig.done() == [Progress(deliveries=[delivery]), Ack(deliveries=[delivery])]


# Once


@pytest.mark.parametrize(("once", "handled"), [(True, 1), (False, 2)])
async def test_once_spares_an_event_that_was_completed(rig: Rig, once: bool, handled: int) -> None:
    """Its second delivery is acknowledged all the same."""
    seen: list[Any] = []

    async def handler(data: Any, ctx: EventContext) -> None:
        seen.append(data)

    rig.add(handler, once=once)
    for _ in range(2):
        rig.deliver()
        await rig.done()
    assert rig.recorder.answers == [Ack(deliveries=["1"]), Ack(deliveries=["2"])]
    assert len(seen) == handled


async def test_once_tells_the_ids_of_emitters_apart(rig: Rig) -> None:
    seen: list[str] = []

    async def handler(data: Any, ctx: EventContext) -> None:
        seen.append(ctx.source)

    rig.add(handler, once=True)
    rig.deliver(source="exprsn-timeline")
    rig.deliver(source="exprsn-spark")
    await rig.done()
    assert seen == ["exprsn-timeline", "exprsn-spark"]


async def test_once_waits_for_the_same_event_at_work(rig: Rig) -> None:
    """It comes again while the first handling goes on; only if that fails, it is handled."""
    outcomes = iter([RuntimeError("first fails"), None, None])
    may_end = asyncio.Event()
    handled = 0

    async def handler(data: Any, ctx: EventContext) -> None:
        nonlocal handled
        handled += 1
        await may_end.wait()
        if (error := next(outcomes)) is not None:
            raise error

    membership = rig.add(handler, once=True)
    for _ in range(3):
        rig.deliver()
    await asyncio.sleep(0)
    may_end.set()
    await rig.done()
    assert (handled, [type(answer) for answer in rig.recorder.answers]) == (2, [Nack, Ack, Ack])
    assert membership.at_work == {}


async def test_once_remembers_so_many(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipc.members.MAX_REMEMBERED", 2)

    async def handler(data: Any, ctx: EventContext) -> None:
        pass

    membership = rig.add(handler, once=True)
    for number in range(5):
        rig.deliver(f"e{number}")
    await rig.done()
    assert [key.partition("/")[2] for key in membership.done] == ["e3", "e4"]
