"""The logs on a real Valkey: what is appended once stays once, in order, and what is missing is said."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from ipc.protocol.positions import position_key
from ipc.stores import keys
from ipc.stores.connection import connect
from ipc.stores.eventlog import REMEMBER_IDS_MS, Appended, EventLog, NewEvent

LOG = "exprsn-herald"
OTHER = "broadcast"


def event(number: int | str, key: str = "") -> NewEvent:
    return NewEvent(key, "post:created", f'{{"number":{number}')


async def append(eventlog: EventLog, *numbers: int, log: str = LOG) -> Appended:
    return await eventlog.append(log, [event(number) for number in numbers])


async def trimmed_to(eventlog: EventLog, client: Redis, kept: int) -> None:
    """Trim exactly, where the log itself trims nearly."""
    await client.xtrim(keys.log(LOG), maxlen=kept, approximate=False)


# Appending


async def test_the_first_event_follows_the_start(eventlog: EventLog) -> None:
    appended = await append(eventlog, 1, 2, 3)
    assert appended.prev == "0-0"
    assert appended.positions == sorted(appended.positions, key=position_key)
    assert len(set(appended.positions)) == 3
    assert appended.repeated == frozenset()


async def test_a_batch_follows_the_one_before(eventlog: EventLog) -> None:
    first = await append(eventlog, 1, 2)
    second = await append(eventlog, 3)
    assert second.prev == first.positions[-1]
    assert position_key(second.positions[0]) > position_key(first.positions[-1])


async def test_logs_have_nothing_to_do_with_each_other(eventlog: EventLog) -> None:
    """Neither their positions nor the ids they remember."""
    one = await eventlog.append(LOG, [event(1, "herald/a")])
    other = await eventlog.append(OTHER, [event(1, "herald/a")])
    assert (one.prev, other.prev) == ("0-0", "0-0")
    assert other.repeated == frozenset()


async def test_a_repeated_id_gets_the_first_position(eventlog: EventLog) -> None:
    """Nothing is appended for it, and what comes after follows what was really last."""
    first = await eventlog.append(LOG, [event(1, "herald/a")])
    again = await eventlog.append(LOG, [event("other", "herald/a")])
    assert (again.prev, again.positions, again.repeated) == (first.positions[0], first.positions, frozenset({0}))
    assert (await append(eventlog, 2)).prev == first.positions[0]
    assert [entry.frame for entry in (await eventlog.read(LOG, after="0-0")).entries] == ['{"number":1', '{"number":2']


async def test_ids_are_scoped_by_their_key(eventlog: EventLog) -> None:
    """Two services may use the same id, and events without a key are never repeats."""
    appended = await eventlog.append(LOG, [event(1, "herald/a"), event(2, "spark/a"), event(3), event(4)])
    assert appended.repeated == frozenset()
    assert len(set(appended.positions)) == 4


async def test_a_repeat_within_its_own_batch_is_dropped(eventlog: EventLog) -> None:
    appended = await eventlog.append(LOG, [event(1, "s/a"), event(2, "s/b"), event(3, "s/a"), event(4)])
    assert appended.repeated == frozenset({2})
    assert appended.positions[2] == appended.positions[0]
    frames = [entry.frame for entry in (await eventlog.read(LOG, after="0-0")).entries]
    assert frames == ['{"number":1', '{"number":2', '{"number":4']


async def test_a_batch_of_repeats_only_moves_nothing(eventlog: EventLog) -> None:
    first = await eventlog.append(LOG, [event(1, "s/a"), event(2, "s/b")])
    again = await eventlog.append(LOG, [event(2, "s/b"), event(1, "s/a")])
    assert again.positions == first.positions[::-1]
    assert again.repeated == frozenset({0, 1})
    assert await eventlog.last_positions([LOG]) == [first.positions[-1]]


async def remembered(client: Redis) -> dict[int, bytes]:
    """Return the keys that remember ids, by the number of their window."""
    found = [key async for key in client.scan_iter(match=f"{keys.seen_prefix(LOG)}*")]
    return {int(key.rpartition(b":")[2]): key for key in found}


async def test_ids_are_remembered_in_a_key_that_expires(eventlog: EventLog, redis_client: Redis) -> None:
    """Not before five minutes after the last id it may take, and not much later."""
    assert REMEMBER_IDS_MS == 300_000
    (position, _) = (await eventlog.append(LOG, [event(1, "s/a"), event(2)])).positions
    ((window, key),) = (await remembered(redis_client)).items()
    assert await redis_client.hgetall(key) == {b"s/a": position.encode()}
    expires_ms = await redis_client.pexpiretime(key.decode())
    assert expires_ms == (window + 2) * 150_000 + 300_000
    assert 300_000 < expires_ms - position_key(position)[0] <= 600_000
    await redis_client.delete(key)
    assert (await eventlog.append(LOG, [event(1, "s/a")])).repeated == frozenset()


@pytest.mark.parametrize("windows_ago", [0, 1, 2])
async def test_an_id_is_remembered_over_the_border_of_windows(
    eventlog: EventLog, redis_client: Redis, windows_ago: int
) -> None:
    first = await eventlog.append(LOG, [event(1, "s/a")])
    ((window, key),) = (await remembered(redis_client)).items()
    await redis_client.rename(key, f"{keys.seen_prefix(LOG)}{window - windows_ago}")
    again = await eventlog.append(LOG, [event(1, "s/b"), event(1, "s/a")])
    assert (again.positions[1], again.repeated) == (first.positions[0], frozenset({1}))


async def test_an_id_is_forgotten_after_five_minutes_although_its_key_is_there(
    eventlog: EventLog, redis_client: Redis
) -> None:
    now_ms = position_key((await append(eventlog, 1)).positions[0])[0]
    for window in range(now_ms // 150_000 - 2, now_ms // 150_000 + 1):
        old: dict[Any, Any] = {"s/old": f"{now_ms - 300_000}-7", "s/young": f"{now_ms - 240_000}-7"}
        await redis_client.hset(f"{keys.seen_prefix(LOG)}{window}", mapping=old)
    appended = await eventlog.append(LOG, [event(2, "s/old"), event(3, "s/young")])
    assert appended.repeated == frozenset({1})
    assert appended.positions[1] == f"{now_ms - 240_000}-7"


async def test_a_new_window_frees_the_one_that_nobody_asks_any_more(eventlog: EventLog, redis_client: Redis) -> None:
    """It would go by itself a little later, all at once; so no more than four are ever there."""
    now_ms = position_key((await append(eventlog, 1)).positions[0])[0]
    for window in range(now_ms // 150_000 - 3, now_ms // 150_000):
        await redis_client.hset(f"{keys.seen_prefix(LOG)}{window}", "s/a", f"{now_ms - 1_000_000}-0")
    before = await remembered(redis_client)
    await eventlog.append(LOG, [event(2, "s/b")])
    after = await remembered(redis_client)
    assert len(before) == len(after) == 3
    assert max(after) == max(before) + 1


async def test_more_ids_than_lua_hands_over_at_once(eventlog: EventLog) -> None:
    batch = [event(number, f"s/{number}") for number in range(9_000)]
    first, again = await eventlog.append(LOG, batch), await eventlog.append(LOG, batch)
    assert again.positions == first.positions
    assert len(set(first.positions)) == len(again.repeated) == 9_000


async def test_an_event_keeps_its_name_and_frame(eventlog: EventLog) -> None:
    frame = '{"type":"event","data":"héllo 😀 \\n = \\u0000"'
    appended = await eventlog.append(LOG, [NewEvent("s/= a\n", "post:created", frame)])
    (entry,) = (await eventlog.read(LOG, after="0-0")).entries
    assert (entry.position, entry.event, entry.frame) == (appended.positions[0], "post:created", frame)


async def test_a_log_keeps_its_cap(redis_client: Redis) -> None:
    """Whole nodes go, so a few more than the cap stay, but never fewer."""
    eventlog = EventLog(redis_client, maxlen=150)
    for start in range(0, 1_000, 100):
        await append(eventlog, *range(start, start + 100))
    length = await redis_client.xlen(keys.log(LOG))
    assert 150 <= length < 300
    entries = (await eventlog.read(LOG, after="0-0")).entries
    assert entries[-1].frame == '{"number":999'


async def test_many_writers_make_one_chain(redis_url: str) -> None:
    """Each batch says what came before it, so the batches of several processes fit together without a gap."""
    clients = [connect(redis_url) for _ in range(4)]
    try:
        batches = await asyncio.gather(
            *(append(EventLog(client), *range(size)) for client in clients for size in (1, 2, 3) for _ in range(10))
        )
    finally:
        for client in clients:
            await client.aclose()
    chain = {batch.prev: batch.positions[-1] for batch in batches}
    assert len(chain) == len(batches) == 120
    position, followed = "0-0", 0
    while position in chain:
        position, followed = chain[position], followed + 1
    assert followed == len(batches)


async def test_an_append_survives_a_server_that_forgot_the_script(eventlog: EventLog, redis_client: Redis) -> None:
    await append(eventlog, 1)
    await redis_client.script_flush()
    assert len((await append(eventlog, 2)).positions) == 1


async def test_positions_go_on_after_everything_was_trimmed(redis_client: Redis) -> None:
    eventlog = EventLog(redis_client, ttl_s=-1)
    first = await append(eventlog, 1)
    await eventlog.trim(LOG)
    assert await redis_client.xlen(keys.log(LOG)) == 0
    assert await eventlog.last_positions([LOG]) == first.positions
    assert (await append(eventlog, 2)).prev == first.positions[0]


# Reading


async def test_the_last_positions_of_logs(eventlog: EventLog) -> None:
    appended = await append(eventlog, 1, 2)
    assert await eventlog.last_positions([OTHER, LOG]) == ["0-0", appended.positions[-1]]
    assert await eventlog.last_positions([]) == []


async def test_reading_goes_on_after_a_position(eventlog: EventLog) -> None:
    positions = (await append(eventlog, *range(5))).positions
    reading = await eventlog.read(LOG, after=positions[1], count=2)
    assert ([entry.position for entry in reading.entries], reading.gap) == (positions[2:4], None)
    reading = await eventlog.read(LOG, after=positions[1], until=positions[2])
    assert ([entry.position for entry in reading.entries], reading.gap) == (positions[2:3], None)


@pytest.mark.parametrize("log", [LOG, OTHER])
async def test_the_start_of_a_log_is_complete(eventlog: EventLog, log: str) -> None:
    """Of one that was never written to as well as of one from which nothing was trimmed."""
    await append(eventlog, 1, 2, log=OTHER)
    reading = await eventlog.read(log, after="0-0")
    assert (len(reading.entries), reading.gap) == (2 if log == OTHER else 0, None)
    assert await eventlog.gap_after(log, "0-0") is None


async def test_the_last_position_is_complete(eventlog: EventLog) -> None:
    positions = (await append(eventlog, 1, 2)).positions
    reading = await eventlog.read(LOG, after=positions[-1])
    assert (reading.entries, reading.gap) == ([], None)


async def test_a_position_before_what_was_trimmed_is_a_gap(eventlog: EventLog, redis_client: Redis) -> None:
    positions = (await append(eventlog, *range(6))).positions
    await trimmed_to(eventlog, redis_client, 2)
    gaps = {position: await eventlog.gap_after(LOG, position) for position in ["0-0", *positions]}
    assert gaps == {
        "0-0": "trimmed",
        **dict.fromkeys(positions[:3], "trimmed"),
        # The event at this position is gone, but it was known; all that came after it is there.
        positions[3]: None,
        **dict.fromkeys(positions[4:], None),
    }


@pytest.mark.parametrize("kept", [1, 2, 3, 4])
async def test_what_was_trimmed_in_the_middle_of_a_batch(eventlog: EventLog, redis_client: Redis, kept: int) -> None:
    """Only the first entry of a batch says what was before it; of the others it is known."""
    positions = [*(await append(eventlog, 1, 2)).positions, *(await append(eventlog, 3, 4, 5)).positions]
    await trimmed_to(eventlog, redis_client, kept)
    gaps = [await eventlog.gap_after(LOG, position) for position in positions]
    assert gaps == ["trimmed"] * (4 - kept) + [None] * (kept + 1)


async def test_an_entry_that_says_nothing_of_the_one_before_it(eventlog: EventLog, redis_client: Redis) -> None:
    """One that opens a millisecond in the middle of a batch, as Redis before 7.2 may do: rather a gap than a loss."""
    await redis_client.xadd(keys.log(LOG), {"e": "a:b", "f": "{"}, id="5-0")
    await redis_client.set(keys.last(LOG), "5-0")
    assert await eventlog.gap_after(LOG, "4-9") == "trimmed"
    assert await eventlog.gap_after(LOG, "5-0") is None


async def test_a_quiet_log_loses_nothing_by_its_age(redis_client: Redis) -> None:
    """Who has seen the last event before a long silence has missed nothing when the next one comes."""
    eventlog = EventLog(redis_client, ttl_s=-1)
    seen = (await append(eventlog, 1)).positions[-1]
    await eventlog.trim(LOG)
    await append(eventlog, 2, 3)
    reading = await eventlog.read(LOG, after=seen)
    assert ([entry.frame for entry in reading.entries], reading.gap) == (['{"number":2', '{"number":3'], None)


async def test_a_log_that_was_trimmed_to_nothing_has_a_gap(eventlog: EventLog, redis_client: Redis) -> None:
    positions = (await append(eventlog, 1, 2)).positions
    await trimmed_to(eventlog, redis_client, 0)
    assert await eventlog.gap_after(LOG, "0-0") == "trimmed"
    assert await eventlog.gap_after(LOG, positions[0]) == "trimmed"
    assert await eventlog.gap_after(LOG, positions[1]) is None


async def test_a_position_that_the_log_never_gave_is_unknown(eventlog: EventLog) -> None:
    """Between two events or after the last one: it is from another Redis, or from before this one lost its data."""
    first, last = (await append(eventlog, 1)).positions[0], (await append(eventlog, 2)).positions[0]
    ms, seq = position_key(first)
    assert f"{ms}-{seq + 7}" not in {first, last}
    for position in ("1-0", f"{ms}-{seq + 7}", f"{position_key(last)[0] + 1}-0", f"{2**64 - 1}-0"):
        assert await eventlog.gap_after(LOG, position) == "unknown_position"
    assert await eventlog.gap_after(OTHER, first) == "unknown_position"


async def test_only_what_is_old_is_trimmed(redis_client: Redis) -> None:
    """Whole nodes of a hundred go, so the youngest of the old may stay for a while."""
    eventlog = EventLog(redis_client, ttl_s=3_600)
    old_ms = position_key((await append(eventlog, 1)).positions[0])[0] - 7_200_000
    await redis_client.delete(keys.log(LOG), keys.last(LOG))
    for number in range(200):
        await redis_client.xadd(keys.log(LOG), {"e": "a:b", "f": "{", "p": "0-0"}, id=f"{old_ms}-{number}")
    young = await append(eventlog, *range(5))
    await eventlog.trim(LOG)
    left = [entry.position for entry in (await eventlog.read(LOG, after="0-0")).entries]
    assert left[-5:] == young.positions
    assert len(left) < 110


async def test_a_log_that_is_not_there_is_trimmed_in_peace(eventlog: EventLog) -> None:
    await eventlog.trim(LOG)
    assert await eventlog.last_positions([LOG]) == ["0-0"]
