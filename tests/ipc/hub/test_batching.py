"""The batching primitive: what waits goes out together, in order, in bounds, and nothing waits for company."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.hub.batching import Batcher

GUARD_S = 10.0


class Sender:
    """Keeps the batches it is given; unless it is open, each waits in `begun` until the test lets it go."""

    def __init__(self, *, is_open: bool = False) -> None:
        self.batches: list[list[str]] = []
        self.begun: asyncio.Queue[list[str]] = asyncio.Queue()
        self.gate = asyncio.Semaphore(10_000 if is_open else 0)

    async def __call__(self, batch: list[str]) -> None:
        self.begun.put_nowait(batch)
        await self.gate.acquire()
        self.batches.append(batch)

    async def begins(self) -> list[str]:
        async with asyncio.timeout(GUARD_S):
            return await self.begun.get()


def batcher(
    sender: Sender, *, capacity: int = 100, max_count: int = 100, max_items: int = 10, max_size: int = 50
) -> Batcher[str]:
    return Batcher(sender, capacity=capacity, max_count=max_count, max_items=max_items, max_size=max_size, name="test")


def put(line: Batcher[str], *items: str, size: int = 1) -> None:
    for item in items:
        line.put(item, size)


async def flushed(line: Batcher[str]) -> None:
    async with asyncio.timeout(GUARD_S):
        await line.flushed()


async def test_what_waits_while_a_send_is_in_flight_goes_out_together() -> None:
    """The first goes alone and at once; it waits for nobody."""
    sender = Sender()
    line = batcher(sender)
    put(line, "a")
    await sender.begins()
    put(line, "b", "c", "d")
    sender.gate.release()
    sender.gate.release()
    await flushed(line)
    assert sender.batches == [["a"], ["b", "c", "d"]]


async def test_a_batch_has_at_most_so_many_items() -> None:
    sender = Sender(is_open=True)
    line = batcher(sender, max_items=3)
    put(line, *"abcdefgh")
    await flushed(line)
    assert sender.batches == [["a", "b", "c"], ["d", "e", "f"], ["g", "h"]]


async def test_a_batch_has_at_most_so_much() -> None:
    sender = Sender(is_open=True)
    line = batcher(sender, max_size=50)
    put(line, *"abcd", size=20)
    await flushed(line)
    assert sender.batches == [["a", "b"], ["c", "d"]]


async def test_what_is_larger_than_a_batch_goes_alone() -> None:
    """Wherever it stands in the line."""
    sender = Sender(is_open=True)
    line = batcher(sender, max_size=50)
    put(line, "a")
    put(line, "LARGE", size=51)
    put(line, "b", "c")
    put(line, "LARGER", size=500)
    await flushed(line)
    assert sender.batches == [["a"], ["LARGE"], ["b", "c"], ["LARGER"]]


async def test_room_is_there_until_more_than_the_capacity_waits() -> None:
    """Then one waits until half of it is free."""
    sender = Sender()
    line = batcher(sender, capacity=10, max_size=3)
    put(line, "in flight", size=3)
    await sender.begins()
    put(line, *"abc", size=3)
    assert (line.size, line.is_full) == (9, False)
    async with asyncio.timeout(GUARD_S):
        await line.room()
    put(line, "d", size=3)
    assert (line.size, line.is_full) == (12, True)
    waiting = asyncio.create_task(line.room())
    sender.gate.release()
    assert await sender.begins() == ["a"]
    assert (line.size, waiting.done()) == (9, False)
    sender.gate.release()
    sender.gate.release()
    async with asyncio.timeout(GUARD_S):
        await waiting
    assert line.size <= 5
    for _ in range(3):
        sender.gate.release()
    await flushed(line)


async def test_many_small_messages_fill_it_too() -> None:
    """Those of an item that is several count one by one; what is in flight does not."""
    sender = Sender()
    line = batcher(sender, max_count=5, max_items=1)
    line.put("in flight", 1, 9)
    await sender.begins()
    line.put("abc", 1, 3)
    line.put("de", 1, 2)
    assert (line.count, line.is_full) == (5, False)
    line.put("f", 1)
    assert (line.count, line.is_full) == (6, True)
    waiting = asyncio.create_task(line.room())
    sender.gate.release()
    assert await sender.begins() == ["abc"]
    assert (line.count, waiting.done()) == (3, False)
    sender.gate.release()
    async with asyncio.timeout(GUARD_S):
        await waiting
    assert line.count <= 2
    line.clear()
    assert (line.count, line.size, line.is_full) == (0, 0, False)
    sender.gate.release()
    await flushed(line)


async def test_everybody_who_waits_for_room_goes_on() -> None:
    sender = Sender()
    line = batcher(sender, capacity=1)
    put(line, "a")
    await sender.begins()
    put(line, "b", size=50)
    waiting = [asyncio.create_task(line.room()) for _ in range(3)]
    sender.gate.release()
    sender.gate.release()
    async with asyncio.timeout(GUARD_S):
        await asyncio.gather(*waiting)


async def test_flushed_waits_for_all_that_was_put() -> None:
    sender = Sender()
    line = batcher(sender)
    await flushed(line)
    put(line, "a")
    waiting = asyncio.create_task(line.flushed())
    await sender.begins()
    assert not waiting.done()
    sender.gate.release()
    await waiting
    assert sender.batches == [["a"]]


async def test_clearing_forgets_what_waits_but_not_what_is_being_sent() -> None:
    sender = Sender()
    line = batcher(sender, capacity=1)
    put(line, "a")
    await sender.begins()
    put(line, "b", "c")
    waiting = asyncio.create_task(line.room())
    await asyncio.sleep(0)
    line.clear()
    async with asyncio.timeout(GUARD_S):
        await waiting
    assert line.size == 0
    sender.gate.release()
    await flushed(line)
    assert sender.batches == [["a"]]


async def test_closing_cancels_what_is_being_sent_too() -> None:
    sender = Sender()
    line = batcher(sender)
    put(line, "a", "b")
    await sender.begins()
    put(line, "c")
    await line.close()
    await flushed(line)
    assert (sender.batches, line.size) == ([], 0)


async def test_closing_an_idle_line_is_nothing() -> None:
    await batcher(Sender()).close()


async def test_a_send_that_fails_loses_its_batch_only(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[list[str]] = []

    async def send(batch: list[str]) -> None:
        if "bad" in batch:
            raise OSError("no")
        sent.append(batch)

    line: Batcher[str] = Batcher(send, capacity=100, max_items=1, max_size=10, name="test")
    put(line, "a", "bad", "b")
    await flushed(line)
    assert sent == [["a"], ["b"]]
    assert "batcher test lost 1 items" in caplog.text


@given(
    st.lists(st.integers(min_value=0, max_value=60), max_size=60),
    st.integers(min_value=1, max_value=8),
    st.integers(min_value=1, max_value=50),
)
def test_nothing_is_lost_or_reordered_and_no_batch_is_too_large(
    sizes: list[int], max_items: int, max_size: int
) -> None:
    batches: list[list[int]] = []

    async def send(batch: list[int]) -> None:
        batches.append(batch)
        await asyncio.sleep(0)

    async def run() -> None:
        line: Batcher[int] = Batcher(send, capacity=100, max_items=max_items, max_size=max_size, name="test")
        for number, size in enumerate(sizes):
            line.put(number, size)
            if size % 3 == 0:
                await asyncio.sleep(0)
        await line.flushed()
        assert (line.size, line.count) == (0, 0)

    asyncio.run(run())
    assert [number for batch in batches for number in batch] == list(range(len(sizes)))
    for batch in batches:
        assert len(batch) <= max_items
        assert len(batch) == 1 or sum(sizes[number] for number in batch) <= max_size
