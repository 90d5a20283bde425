"""The ledger in a real Valkey: what is kept of it, for how long, and what is read from it."""

import pytest
from redis.asyncio import Redis

from ipc.protocol.delivery_status import Note, Receipt
from ipc.stores import keys, ledger_record
from ipc.stores import ledger as ledger_module
from ipc.stores.eventlog import EventLog, NewEvent
from ipc.stores.groups import Groups
from ipc.stores.ledger import Ledger
from ipc.stores.ledger_record import Acked, place

SERVICE, GROUP, LOG = "exprsn-herald", "notify", "exprsn-herald"
NAME = f"{SERVICE}/{GROUP}"
INSTANCE = f"{SERVICE}:01"
NOTE = Note(hub="h1", attempt=1, max_attempts=6, instance=INSTANCE, since_ms=5)


@pytest.fixture
def ledger(redis_client: Redis) -> Ledger:
    return Ledger(redis_client)


@pytest.fixture
async def groups(redis_client: Redis) -> Groups:
    """With the one group of these tests."""
    groups = Groups(redis_client)
    await groups.create(LOG, NAME, after="0-0")
    return groups


async def append(eventlog: EventLog, count: int = 1) -> list[str]:
    return (await eventlog.append(LOG, [NewEvent("", "post:created", "{")] * count)).positions


async def done(groups: Groups, *positions: str) -> None:
    """Take what there is, and acknowledge some of it."""
    await groups.exchange(NAME, "h1", acks={}, logs=[LOG], count=10_000)
    acked = [Acked(LOG, INSTANCE, 1, list(positions))]
    await groups.exchange(NAME, "h1", acks={LOG: positions}, logs=[], count=1, acked=acked)


async def test_an_acknowledgement_goes_on_record_by_the_clock_of_redis(
    ledger: Ledger, groups: Groups, eventlog: EventLog
) -> None:
    first, second = await append(eventlog, 2)
    await done(groups, first)
    (facts,) = (await ledger.facts(LOG, first, "post:created")).groups
    assert facts.receipt is not None
    assert facts.receipt == Receipt(at_ms=facts.receipt.at_ms, instance=INSTANCE, attempt=1)
    assert int(first.split("-")[0]) <= facts.receipt.at_ms <= facts.now_ms
    (other,) = (await ledger.facts(LOG, second, "post:created")).groups
    assert (other.held is not None, other.receipt) == (True, None)


async def test_the_record_is_capped_and_says_how_far_it_reaches(
    ledger: Ledger, groups: Groups, eventlog: EventLog, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_record, "MAX_RECORDS", 100)
    monkeypatch.setattr(ledger_module, "_PAGE", 10)
    positions = await append(eventlog, 400)
    for position in positions:
        await done(groups, position)
    assert 100 <= await redis_client.xlen(keys.ledger(NAME)) <= 300
    (first,) = (await ledger.facts(LOG, positions[0], None)).groups
    (last,) = (await ledger.facts(LOG, positions[-1], None)).groups
    assert (first.receipt, first.is_recorded) == (None, False)
    assert last.receipt is not None


async def test_a_search_in_the_record_ends(
    ledger: Ledger, groups: Groups, eventlog: EventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    (position,) = await append(eventlog)
    await done(groups, position)
    monkeypatch.setattr(ledger_module, "LOOK_UP_S", 0.0)
    (facts,) = (await ledger.facts(LOG, position, None)).groups
    assert (facts.receipt, facts.is_recorded) == (None, False)


async def test_notes_are_written_and_dropped(
    ledger: Ledger, groups: Groups, eventlog: EventLog, redis_client: Redis
) -> None:
    first, second = await append(eventlog, 2)
    await ledger.note(NAME, {place(LOG, first): NOTE, place(LOG, second): NOTE})
    assert 0 < await redis_client.ttl(keys.notes(NAME)) <= ledger_module.NOTES_TTL_S
    (facts,) = (await ledger.facts(LOG, first, None)).groups
    assert facts.note == NOTE
    await ledger.note(NAME, {}, [place(LOG, first)])
    settled = [place(LOG, second)]
    await groups.exchange(NAME, "h1", acks={}, logs=[], count=1, settled=settled)
    assert await redis_client.exists(keys.notes(NAME)) == 0
    await ledger.note(NAME, {})


async def test_definitions_are_told_with_the_time_of_their_last_word(ledger: Ledger, groups: Groups) -> None:
    for events in (["post:*"], ["user:*", "post:*"], ["post:*"]):
        await ledger.define(NAME, events, 6)
    facts = await ledger.facts(LOG, "1-0", None)
    assert sorted(facts.groups[0].definitions) == sorted(facts.groups[0].definitions, key=lambda each: each.last_ms)
    assert {(each.events, each.max_attempts) for each in facts.groups[0].definitions} == {
        (("post:*",), 6),
        (("post:*", "user:*"), 6),
    }
    assert all(facts.now_ms - 60_000 < each.last_ms <= facts.now_ms for each in facts.groups[0].definitions)


@pytest.mark.usefixtures("groups")
async def test_definitions_of_days_ago_are_dropped_when_there_are_many(ledger: Ledger, redis_client: Redis) -> None:
    key = keys.group_definition(SERVICE, GROUP)
    await redis_client.hset(key, mapping={f'def [["a:{number}"],6]': 1 for number in range(40)})
    await ledger.began(NAME, LOG, "7-0")
    await ledger.define(NAME, ["post:*"], 6)
    assert await redis_client.hlen(key) == 2
    (facts,) = (await ledger.facts(LOG, "7-0", "post:created")).groups
    assert (facts.began, [each.events for each in facts.definitions]) == ("7-0", [("post:*",)])


async def test_how_many_are_before_it_is_counted_only_as_far_as_that_is_cheap(
    ledger: Ledger, groups: Groups, eventlog: EventLog
) -> None:
    positions = await append(eventlog, 1_002)
    for position, ahead in ((positions[0], 0), (positions[7], 7), (positions[999], 999), (positions[1_001], None)):
        (facts,) = (await ledger.facts(LOG, position, None)).groups
        assert facts.ahead == ahead
    await groups.exchange(NAME, "h1", acks={}, logs=[LOG], count=1)
    (facts,) = (await ledger.facts(LOG, positions[7], None)).groups
    assert facts.ahead == 6


async def test_more_groups_than_fit_are_said_to_be_left_out(
    ledger: Ledger, groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "MAX_GROUPS", 2)
    for number in range(3):
        await groups.create(LOG, f"{SERVICE}/g{number}")
    facts = await ledger.facts(LOG, "1-0", None)
    assert ([each.group for each in facts.groups], facts.has_more) == (["g0", "g1"], True)
    only = await ledger.facts(LOG, "1-0", None, only=NAME)
    assert ([each.group for each in only.groups], only.has_more) == ([GROUP], False)


async def test_what_was_lost_with_a_hub_is_on_record(ledger: Ledger, groups: Groups, eventlog: EventLog) -> None:
    (position,) = await append(eventlog)
    await groups.exchange(NAME, "h1", acks={}, logs=[LOG], count=1)
    await groups.exchange(NAME, "h1", acks={LOG: [position]}, logs=[], count=1)
    await ledger.lost(NAME, LOG, [position])
    (facts,) = (await ledger.facts(LOG, position, None)).groups
    assert facts.receipt is not None
    assert facts.receipt.is_lost


async def test_a_log_that_is_not_there_has_no_groups(ledger: Ledger) -> None:
    facts = await ledger.facts("exprsn-atlas", "1-0", None)
    assert (facts.groups, facts.has_more) == ([], False)
