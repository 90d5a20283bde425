"""What every event log does: one chain, one place for each id, and a word for what is missing."""

from ipc.hub.stores import LogStore
from ipc.protocol.positions import position_key
from ipc.stores.eventlog import Appended, NewEvent
from tests.contracts.conftest import MakeBackend

LOG = "exprsn-herald"
OTHER = "broadcast"


def event(number: int, key: str = "") -> NewEvent:
    return NewEvent(key, "post:created", f'{{"number":{number}')


async def append(eventlog: LogStore, *numbers: int, log: str = LOG) -> Appended:
    return await eventlog.append(log, [event(number) for number in numbers])


async def test_each_batch_follows_the_one_before(eventlog: LogStore) -> None:
    first, second = await append(eventlog, 1, 2), await append(eventlog, 3)
    positions = [*first.positions, *second.positions]
    assert (first.prev, second.prev) == ("0-0", first.positions[-1])
    assert positions == sorted(set(positions), key=position_key)
    assert first.repeated == second.repeated == frozenset()


async def test_an_empty_batch_changes_nothing(eventlog: LogStore) -> None:
    first = await append(eventlog, 1)
    assert await eventlog.append(LOG, []) == Appended(first.positions[0], [], frozenset())


async def test_an_id_has_one_place(eventlog: LogStore) -> None:
    """In one batch as well as in a later one; a log does not know the ids of another."""
    batch = await eventlog.append(LOG, [event(1, "s/a"), event(2, "s/a"), event(3, "s/b"), event(4), event(5)])
    first, again, other, *_ = batch.positions
    assert (again, batch.repeated) == (first, frozenset({1}))
    repeated = await eventlog.append(LOG, [event(6, "s/b")])
    assert (repeated.prev, repeated.positions, repeated.repeated) == (batch.positions[-1], [other], frozenset({0}))
    assert (await eventlog.append(OTHER, [event(7, "s/a")])).repeated == frozenset()
    assert len((await eventlog.read(LOG, after="0-0")).entries) == 4


async def test_an_event_keeps_its_name_and_frame(eventlog: LogStore) -> None:
    frame = '{"type":"event","data":"héllo 😀 \\n = \\u0000"'
    appended = await eventlog.append(LOG, [NewEvent("s/= a\n", "post:created", frame)])
    (entry,) = (await eventlog.read(LOG, after="0-0")).entries
    assert (entry.position, entry.event, entry.frame) == (appended.positions[0], "post:created", frame)


async def test_the_last_positions_of_logs(eventlog: LogStore) -> None:
    appended = await append(eventlog, 1, 2)
    assert await eventlog.last_positions([OTHER, LOG]) == ["0-0", appended.positions[-1]]
    assert await eventlog.last_positions([]) == []


async def test_the_lengths_of_logs(eventlog: LogStore) -> None:
    await append(eventlog, 1, 2)
    assert await eventlog.lengths([OTHER, LOG]) == [0, 2]
    assert await eventlog.lengths([]) == []


async def test_reading_goes_on_after_a_position(eventlog: LogStore) -> None:
    positions = (await append(eventlog, *range(5))).positions
    some = await eventlog.read(LOG, after=positions[1], count=2)
    assert ([entry.position for entry in some.entries], some.gap) == (positions[2:4], None)
    until = await eventlog.read(LOG, after=positions[1], until=positions[2])
    assert ([entry.position for entry in until.entries], until.gap) == (positions[2:3], None)
    rest = await eventlog.read(LOG, after=positions[-1])
    assert (rest.entries, rest.gap) == ([], None)


async def test_a_log_that_was_never_written_to_has_no_gap(eventlog: LogStore) -> None:
    assert await eventlog.gap_after(LOG, "0-0") is None
    assert (await eventlog.read(LOG, after="0-0")).entries == []


async def test_a_position_that_the_log_never_gave_is_unknown(eventlog: LogStore) -> None:
    """Between two events, or after the last one."""
    first, last = (await append(eventlog, 1)).positions[0], (await append(eventlog, 2)).positions[0]
    ms, seq = position_key(first)
    for position in ("1-0", f"{ms}-{seq + 7}", f"{position_key(last)[0] + 1}-0"):
        assert await eventlog.gap_after(LOG, position) == "unknown_position"
    assert await eventlog.gap_after(OTHER, first) == "unknown_position"


async def test_what_the_cap_took_is_a_gap(make_backend: MakeBackend) -> None:
    """From the event before the oldest that is left, nothing is missing."""
    eventlog = make_backend(log_maxlen=150).stores().eventlog
    positions = [position for _ in range(10) for position in (await append(eventlog, *range(100))).positions]
    kept = await eventlog.read(LOG, after=positions[-1], count=1)
    assert (kept.entries, kept.gap) == ([], None)
    gaps = [await eventlog.gap_after(LOG, position) for position in positions]
    first_kept = gaps.index(None) + 1
    assert 150 <= len(positions) - first_kept < 300
    assert set(gaps[: first_kept - 1]) == {"trimmed"}
    assert set(gaps[first_kept:]) == {None}


async def test_a_log_that_was_trimmed_to_nothing_goes_on(make_backend: MakeBackend) -> None:
    """Who has seen the last event has missed nothing; who has not is told."""
    eventlog = make_backend(log_ttl_s=-1).stores().eventlog
    first = await append(eventlog, 1, 2)
    await eventlog.trim(LOG)
    assert await eventlog.last_positions([LOG]) == [first.positions[-1]]
    assert await eventlog.gap_after(LOG, first.positions[0]) == "trimmed"
    assert (await append(eventlog, 3)).prev == first.positions[-1]
    reading = await eventlog.read(LOG, after=first.positions[-1])
    assert ([entry.frame for entry in reading.entries], reading.gap) == (['{"number":3'], None)


async def test_what_is_young_stays(eventlog: LogStore) -> None:
    positions = (await append(eventlog, 1, 2)).positions
    await eventlog.trim(LOG)
    await eventlog.trim(OTHER)
    assert [entry.position for entry in (await eventlog.read(LOG, after="0-0")).entries] == positions


async def test_a_moment_has_a_position_to_read_on_from(eventlog: LogStore) -> None:
    """What came at the moment or later is read from there, and nothing is missing; a log that is empty has one, too."""
    assert await eventlog.position_before(LOG, 1) == "0-0"
    positions = (await append(eventlog, 1, 2)).positions
    first_ms, last_ms = (position_key(position)[0] for position in (positions[0], positions[-1]))
    for moment_ms, expected in ((0, "0-0"), (first_ms, "0-0"), (last_ms + 1, positions[-1])):
        assert await eventlog.position_before(LOG, moment_ms) == expected
    reading = await eventlog.read(LOG, after=await eventlog.position_before(LOG, first_ms))
    assert ([entry.position for entry in reading.entries], reading.gap) == (positions, None)


async def test_a_moment_before_what_is_left_is_where_that_begins(make_backend: MakeBackend) -> None:
    eventlog = make_backend(log_maxlen=100).stores().eventlog
    for _ in range(8):
        await append(eventlog, *range(50))
    position = await eventlog.position_before(LOG, 1)
    reading = await eventlog.read(LOG, after=position)
    assert (position != "0-0", reading.gap) == (True, None)
    assert len(reading.entries) >= 100
