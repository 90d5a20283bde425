"""Looking for entries in Redis: conditions, both directions, and every bound."""

import time

import pytest
from redis.asyncio import Redis

from ipc.stores import stream_scan
from ipc.stores.stream_scan import Condition, Range, scan

STREAM = "a-stream"
RED = [Condition("colour", "=", "red")]


@pytest.fixture
async def positions(redis_client: Redis) -> list[str]:
    """Sixty entries, every tenth of them red."""
    for number in range(60):
        colour = "red" if number % 10 == 0 else "redder"
        await redis_client.xadd(STREAM, {"colour": colour, "number": number}, id=f"{number + 1}-0")
    return [f"{number + 1}-0" for number in range(60)]


async def test_what_is_equal_is_found_in_order(redis_client: Redis, positions: list[str]) -> None:
    found = await scan(redis_client, STREAM, Range(), RED, max_entries=100, max_found=100)
    assert (found.found, found.looked, found.upto, found.is_whole) == (positions[::10], 60, positions[-1], True)
    newest = await scan(redis_client, STREAM, Range(newest_first=True), RED, max_entries=100, max_found=2)
    assert newest.found == [positions[50], positions[40]]


async def test_all_conditions_have_to_be_true(redis_client: Redis, positions: list[str]) -> None:
    wanted = [Condition("colour", "^", "redd"), Condition("number", "=", "7")]
    found = await scan(redis_client, STREAM, Range(), wanted, max_entries=100)
    assert found.found == [positions[7]]
    missing = [Condition("colour", "^", ""), Condition("size", "^", "")]
    assert (await scan(redis_client, STREAM, Range(), missing, max_entries=100)).found == []


async def test_what_contains_a_text_is_found_as_it_is(redis_client: Redis) -> None:
    for number, text in enumerate(("a.b", "axb", "%d", "xx a.b xx")):
        await redis_client.xadd(STREAM, {"text": text}, id=f"{number + 1}-0")
    for wanted, found in (("a.b", ["1-0", "4-0"]), ("%d", ["3-0"]), ("", ["1-0", "2-0", "3-0", "4-0"]), ("a.b.", [])):
        scanned = await scan(
            redis_client, STREAM, Range(), [Condition("text", "*", wanted)], max_entries=9, max_found=9
        )
        assert scanned.found == found


@pytest.mark.usefixtures("positions")
@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_part_is_looked_at_with_its_ends(redis_client: Redis, newest_first: bool) -> None:
    part = Range(first="11-0", last="21-0", newest_first=newest_first)
    found = await scan(redis_client, STREAM, part, RED, max_entries=100, max_found=9)
    assert (sorted(found.found), found.looked, found.is_whole) == (["11-0", "21-0"], 11, True)
    open_part = Range(first="(11-0", last="(21-0", newest_first=newest_first)
    assert (await scan(redis_client, STREAM, open_part, RED, max_entries=100)).looked == 9


@pytest.mark.usefixtures("positions")
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("a_call", [1, 7, 25, 1_000])
async def test_steps_of_any_size_look_at_each_entry_once(
    redis_client: Redis, monkeypatch: pytest.MonkeyPatch, newest_first: bool, a_call: int
) -> None:
    monkeypatch.setattr(stream_scan, "ENTRIES_A_CALL", a_call)
    part = Range(newest_first=newest_first)
    found = await scan(redis_client, STREAM, part, RED, max_entries=100, max_found=100)
    assert (len(found.found), found.looked, found.is_whole) == (6, 60, True)


@pytest.mark.usefixtures("positions")
async def test_without_conditions_entries_are_counted(redis_client: Redis) -> None:
    found = await scan(redis_client, STREAM, Range(first="(1-0"), [], max_entries=100)
    assert (found.found, found.looked, found.is_whole) == ([], 59, True)


@pytest.mark.usefixtures("positions")
async def test_every_bound_is_kept(redis_client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    few = await scan(redis_client, STREAM, Range(), [], max_entries=30)
    assert (few.looked, few.upto, few.is_whole) == (30, "30-0", False)
    late = await scan(redis_client, STREAM, Range(), [], max_entries=30, until=time.monotonic())
    assert (late.looked, late.is_whole) == (0, False)
    monkeypatch.setattr(stream_scan, "BYTES_A_CALL", 1)
    small = await scan(redis_client, STREAM, Range(), RED, max_entries=100, max_found=9)
    assert (len(small.found), small.looked, small.is_whole) == (6, 60, True)


async def test_a_stream_that_is_not_there_is_empty(redis_client: Redis) -> None:
    found = await scan(redis_client, "nothing", Range(), RED, max_entries=10)
    assert (found.found, found.looked, found.upto, found.is_whole) == ([], 0, "", True)
