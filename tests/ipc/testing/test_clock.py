"""The clock of a test: it goes when it is told to, and wakes who waits."""

import asyncio

from ipc.testing.clock import ManualClock


async def passes() -> None:
    """Let every task run as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_it_stands_still_until_it_is_moved() -> None:
    clock = ManualClock()
    began_ms = clock.now_ms()
    assert (clock.monotonic(), clock.next_alarm) == (0.0, None)
    clock.move_to(1.5)
    assert (clock.monotonic(), clock.now_ms()) == (1.5, began_ms + 1_500)
    clock.move_to(1.0)
    assert clock.monotonic() == 1.5


async def test_whoever_waits_is_woken_when_the_time_has_come() -> None:
    """Not before, and nobody who waits for later; alarms that are over are forgotten."""
    clock = ManualClock()
    early, late = (asyncio.create_task(clock.wait(asyncio.Event(), until)) for until in (1.0, 2.0))
    await passes()
    assert clock.next_alarm == 1.0
    clock.move_to(0.9)
    await passes()
    assert not early.done()
    clock.move_to(1.0)
    await early
    assert (late.done(), clock.next_alarm) == (False, 2.0)
    clock.move_to(5.0)
    await late
    assert clock.next_alarm is None


async def test_an_event_ends_the_waiting_before_its_time() -> None:
    clock = ManualClock()
    event = asyncio.Event()
    waiting = [asyncio.create_task(clock.wait(event, until)) for until in (1.0, None)]
    await passes()
    event.set()
    await asyncio.gather(*waiting)
    assert clock.next_alarm is None


async def test_who_waits_for_what_is_over_lets_others_run() -> None:
    """A loop over it would stop the world otherwise."""
    clock = ManualClock()
    ran = asyncio.Event()
    task = asyncio.create_task(_set(ran))
    async with asyncio.timeout(20):
        while not ran.is_set():
            await clock.wait(asyncio.Event(), 0.0)
    await task


async def _set(event: asyncio.Event) -> None:
    event.set()


async def test_who_is_cancelled_is_cancelled() -> None:
    """The timeout of the clock swallows no cancellation."""
    clock = ManualClock()
    waiting = asyncio.create_task(clock.wait(asyncio.Event(), 1.0))
    await passes()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert (waiting.cancelled(), clock.next_alarm) == (True, None)
