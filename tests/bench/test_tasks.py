"""A load through a library has as many tasks as its window, and ends by its number, its time, a failure or a stall."""

import asyncio

import pytest

from bench import durable, workloads
from bench.tasks import Tally, drive
from bench.wires import now_us
from bench.workloads import Load


class RefusedError(Exception):
    """What a library would raise."""


def load(*, events: int, window: int, seconds: float = 60.0) -> Load:
    """Return a load of which every event is sampled."""
    return Load(events=events, seconds=seconds, window=window, sample_every=1)


async def none_left() -> int:
    """Return what a server says that has seen everything acknowledged."""
    return 0


async def test_no_more_than_a_window_is_under_way() -> None:
    """Each task waits for its own answer before it goes on; numbers are given once."""
    busy, most, numbers = 0, 0, list[int]()

    async def one(number: int) -> None:
        nonlocal busy, most
        numbers.append(number)
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0)
        busy -= 1

    assert await drive(load(events=100, window=7), one, RefusedError) == 100
    assert most == 7
    assert sorted(numbers) == list(range(1, 101))


async def test_a_load_ends_by_its_time() -> None:
    """What is under way by then is waited for."""
    done = 0

    async def one(_: int) -> None:
        nonlocal done
        await asyncio.sleep(0)
        done += 1

    sent = await drive(load(events=10**9, window=3, seconds=0.01), one, RefusedError)
    assert 0 < sent == done < 10**9


async def test_a_failure_ends_a_load() -> None:
    """The first one is what is said; the other tasks do not go on."""

    async def one(number: int) -> None:
        await asyncio.sleep(0)
        if number == 3:
            raise RefusedError("number three")

    with pytest.raises(ConnectionRefusedError, match="number three"):
        await drive(load(events=10**9, window=5), one, RefusedError)


@pytest.mark.parametrize(("times", "lost", "repeated"), [(1, 0, 0), (2, 0, 10), (0, 10, 0)])
async def test_losses_and_repeats_are_counted(
    times: int, lost: int, repeated: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members that handle an event twice, or never, are found out."""
    monkeypatch.setattr(workloads, "STALL_S", 0.05)
    tally = Tally()

    async def emit(number: int) -> None:
        for _ in range(times):
            tally.take(number % 2, {"sentAt": now_us()})

    measured = await tally.measure(load(events=10, window=2), emit, none_left, RefusedError)
    assert (measured.sent, measured.deliveries) == (10, 10 * times)
    assert (measured.lost, measured.repeated) == (lost, repeated)


async def test_what_the_server_waits_for_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event that was handled and not acknowledged will come again."""
    monkeypatch.setattr(durable, "SETTLE_TIMEOUT_S", 0.05)
    tally = Tally()

    async def emit(_: int) -> None:
        tally.take(0, {"sentAt": now_us()})

    async def three() -> int:
        return 3

    assert (await tally.measure(load(events=10, window=2), emit, three, RefusedError)).lost == 3
