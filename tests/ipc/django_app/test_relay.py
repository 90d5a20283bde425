"""The relay with a real database and real threads: nothing lost, nothing twice, each key in order."""

import asyncio
import contextlib
import random
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from django.db import OperationalError, transaction

from ipc.django_app import relay as relay_module
from ipc.django_app.apps import ipc_config
from ipc.django_app.claims import claim_runs
from ipc.django_app.models import OutboxEvent
from ipc.django_app.outbox import outbox_add
from ipc.django_app.relay import Relay
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, DeadlineError, UnavailableError
from tests.database import in_thread
from tests.ipc.django_app.conftest import FakeLog

pytestmark = pytest.mark.django_db(transaction=True)
NEVER_S = 3600.0


def add(*rows: tuple[str, int]) -> None:
    with transaction.atomic():
        for key, number in rows:
            outbox_add(event="post:updated", data=[key, number], key=key)


def rows() -> list[OutboxEvent]:
    return list(OutboxEvent.objects.order_by("id"))


@contextlib.asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[asyncio.Task[None]]:
    async with asyncio.timeout(30):
        task = asyncio.create_task(relay.run())
        try:
            yield task
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def until(is_so: Callable[[], bool]) -> None:
    """Let the loop go on until something holds; the caller's deadline bounds it."""
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - other threads change it
            await asyncio.sleep(0.005)


def by_key(events: list[Any]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = defaultdict(list)
    for key, number in events:
        found[key].append(number)
    return found


async def test_an_event_goes_out_right_after_its_commit(log: FakeLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The relay never looks by itself here, so it was the commit that woke it."""
    relay = Relay(log.emit, poll_s=NEVER_S)
    monkeypatch.setattr(ipc_config(), "relay", relay)
    async with running(relay):
        await in_thread(add, ("warm", 0))
        await until(lambda: relay.counters.sent == 1)
        await in_thread(add, ("a", 1), ("a", 2))
        await until(lambda: relay.counters.sent == 3)
    assert log.events == [["warm", 0], ["a", 1], ["a", 2]]
    assert await in_thread(rows) == []


async def test_leftovers_are_found_without_waking(log: FakeLog) -> None:
    relay = Relay(log.emit, poll_s=0.01)
    async with running(relay):
        await in_thread(add, ("a", 1))
        await until(lambda: relay.counters.sent == 1)


async def test_all_that_an_event_consists_of_is_handed_on() -> None:
    seen: list[Any] = []

    async def emit(event: str, data: Any, **rest: Any) -> str:
        seen.append((event, data, rest))
        return "1-0"

    row = await in_thread(outbox_add, event="a:b", data={"n": 1}, key="k", target=["herald", "spark"], meta={"m": 1})
    relay = Relay(emit)
    assert await relay.drain() == 1
    await relay.aclose()
    assert seen == [("a:b", {"n": 1}, {"target": ["herald", "spark"], "id": row.event_id, "meta": {"m": 1}})]


def flaky(log: FakeLog, chance: random.Random, *, fails_after_append: bool) -> Any:
    """Fail every third send or so, before the log has the event, or after it (the answer is lost)."""

    async def emit(event: str, data: Any, **rest: Any) -> str:
        await asyncio.sleep(chance.random() / 500)
        is_lucky = chance.random() > 0.3
        if is_lucky or fails_after_append:
            position = await log.emit(event, data, **rest)
            if is_lucky:
                return position
        raise DeadlineError("no answer")

    return emit


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("fails_after_append", [False, True])
async def test_relays_in_threads_send_each_event_once_and_each_key_in_order(
    log: FakeLog, monkeypatch: pytest.MonkeyPatch, seed: int, fails_after_append: bool
) -> None:
    """Three relays race for the same rows while more are written and a third of all sends fails.

    Where the failure is before the append, every id is sent exactly once; where it is after, the repeats carry the
    same id, which is what the log drops.
    """
    monkeypatch.setattr(relay_module, "_ROW_PAUSE_S", 0.01)
    monkeypatch.setattr(relay_module, "_OUTAGE_PAUSE_S", 0.01)
    chance = random.Random(seed)  # noqa: S311 - a test that can be repeated
    numbers = {f"key-{key}": chance.randrange(1, 12) for key in range(12)}
    todo = [(key, number) for number in range(12) for key, count in numbers.items() if number < count]
    stops: list[Callable[[], object]] = []
    ready = threading.Barrier(4)

    def run_relay(number: int) -> None:
        async def main() -> None:
            own_chance = random.Random(seed * 10 + number)  # noqa: S311 - as above
            emit = flaky(log, own_chance, fails_after_append=fails_after_append)
            relay = Relay(emit, batch=4, poll_s=0.01)
            loop, stop = asyncio.get_running_loop(), asyncio.Event()
            stops.append(lambda: loop.call_soon_threadsafe(stop.set))
            task = asyncio.create_task(relay.run())
            ready.wait()
            await stop.wait()
            await relay.stop()
            await task

        asyncio.run(main())

    threads = [threading.Thread(target=run_relay, args=(number,), daemon=True) for number in range(3)]
    for thread in threads:
        thread.start()
    await asyncio.to_thread(ready.wait)
    try:
        while todo:
            await in_thread(add, *[todo.pop(0) for _ in range(min(len(todo), chance.randrange(1, 10)))])
        async with asyncio.timeout(30):
            while await in_thread(OutboxEvent.objects.exists):  # noqa: ASYNC110 - nothing to await in a database
                await asyncio.sleep(0.01)
    finally:
        for stop in stops:
            stop()
        for thread in threads:
            await asyncio.to_thread(thread.join, 30)
    assert by_key(log.events) == {key: list(range(count)) for key, count in numbers.items()}
    if not fails_after_append:
        assert len(log.sends) == len(set(log.sends))


async def test_while_the_mesh_is_away_everything_waits_and_then_goes_out_in_order(
    log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_away = True
    attempts = 0

    async def emit(event: str, data: Any, **rest: Any) -> str:
        nonlocal attempts
        attempts += 1
        if is_away:
            raise UnavailableError("Redis is away")
        return await log.emit(event, data, **rest)

    relay = Relay(emit, poll_s=0.01)
    monkeypatch.setattr(ipc_config(), "relay", relay)
    async with running(relay):
        await in_thread(add, ("a", 0), ("b", 0), ("a", 1))
        await until(lambda: attempts >= 4)
        await in_thread(add, ("a", 2), ("b", 1))
        is_away = False
        await until(lambda: relay.counters.sent == 5)
    assert by_key(log.events) == {"a": [0, 1, 2], "b": [0, 1]}
    assert relay.counters.failed >= 4


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (UnavailableError("away"), "UNAVAILABLE: away"),
        (UnavailableError("busy", code=ErrorCode.DRAINING, retry_after_ms=500), "DRAINING: busy"),
        (RuntimeError("a bug"), "RuntimeError('a bug')"),
        (TimeoutError(), "no answer in time"),
    ],
)
async def test_a_failure_that_may_pass_keeps_the_row(error: Exception, text: str) -> None:
    async def emit(*_args: Any, **_kwargs: Any) -> str:
        raise error

    await in_thread(add, ("a", 1), ("a", 2))
    relay = Relay(emit)
    assert await relay.drain() == 0
    await relay.aclose()
    first, second = await in_thread(rows)
    assert (first.attempts, first.error, first.parked_at, first.claimed_by) == (1, text, None, "")
    assert first.next_attempt_at is not None
    assert first.next_attempt_at > first.created_at
    assert second.attempts == 0


async def test_a_refusal_parks_the_row_and_later_ones_of_its_key_go_on(log: FakeLog) -> None:
    async def emit(event: str, data: Any, **rest: Any) -> str:
        if data[1] == 1:
            raise BadMessageError("too large", code=ErrorCode.DATA_TOO_LARGE)
        return await log.emit(event, data, **rest)

    await in_thread(add, ("a", 0), ("a", 1), ("a", 2))
    relay = Relay(emit)
    assert await relay.drain() == 2
    await relay.aclose()
    (row,) = await in_thread(rows)
    assert log.events == [["a", 0], ["a", 2]]
    assert row.parked_at is not None
    assert row.error == "DATA_TOO_LARGE: too large"
    assert relay.counters.parked == 1


async def test_a_send_that_hangs_is_given_up_and_other_keys_go_on(log: FakeLog) -> None:
    async def emit(event: str, data: Any, **rest: Any) -> str:
        if data[0] == "stuck":
            await asyncio.Event().wait()
        return await log.emit(event, data, **rest)

    await in_thread(add, ("stuck", 1), ("a", 1))
    relay = Relay(emit, send_timeout_s=0.05)
    assert await relay.drain() == 1
    await relay.aclose()
    (row,) = await in_thread(rows)
    assert (row.key, row.error) == ("stuck", "no answer in time")


@pytest.mark.parametrize("is_stopped_kindly", [True, False])
async def test_a_relay_that_ends_leaves_no_claim_behind(log: FakeLog, is_stopped_kindly: bool) -> None:
    """Stopped, it finishes what it is sending; cancelled, it gives the row back at once."""
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def emit(event: str, data: Any, **rest: Any) -> str:
        entered.set()
        await go_on.wait()
        return await log.emit(event, data, **rest)

    await in_thread(add, ("a", 1))
    relay = Relay(emit)
    async with running(relay) as task:
        await entered.wait()
        if is_stopped_kindly:
            stopping = asyncio.create_task(relay.stop())
            await asyncio.sleep(0)
            go_on.set()
            await stopping
            await task
            assert await in_thread(rows) == []
            return
    (row,) = await in_thread(rows)
    assert (row.claimed_by, row.claimed_until, row.attempts) == ("", None, 0)


async def test_a_database_that_fails_for_a_while_does_not_end_the_relay(
    log: FakeLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = claim_runs, iter([OperationalError("locked")] * 2)

    def failing(**kwargs: Any) -> Any:
        for error in failures:
            raise error
        return real(**kwargs)

    monkeypatch.setattr(relay_module, "claim_runs", failing)
    await in_thread(add, ("a", 1))
    relay = Relay(log.emit)
    async with running(relay):
        await until(lambda: relay.counters.sent == 1)


async def test_waking_a_relay_that_does_not_run_does_nothing(log: FakeLog) -> None:
    relay = Relay(log.emit)
    relay.wake()
    async with running(relay):
        pass
    relay.wake()
