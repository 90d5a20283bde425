"""Dead letters on a real Valkey: buried, found, redriven into the group's own log, discarded with a reason."""

import asyncio

import pytest
from redis.asyncio import Redis

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.routing import own_log
from ipc.stores import dead_letters as module
from ipc.stores import keys
from ipc.stores.dead_letter import DeadLetter
from ipc.stores.dead_letter_filter import DeadLetterFilter, LetterId
from ipc.stores.dead_letters import DeadLetters
from ipc.stores.eventlog import EventLog, NewEvent
from ipc.stores.groups import Groups

HERALD, NOTIFY = "exprsn-herald", "notify"
OWN = own_log(HERALD, NOTIFY)
NAME = f"{HERALD}/{NOTIFY}"


def letter(event_id: str = "e1", event: str = "post:created", **fields: object) -> DeadLetter:
    values: dict[str, object] = {
        "log": "broadcast",
        "position": "5-0",
        "event": event,
        "frame": f'{{"type":"event","id":"{event_id}","event":"{event}","source":"exprsn-timeline",'
        '"target":"broadcast","ts":1795445282363,"data":{"n":1},"meta":{"a":"b"}',
        "error": "ValueError: no",
        "traceback": "Traceback …",
        "attempts": 3,
        "first_ms": 1_000,
        "last_ms": 2_000,
        "instance": "exprsn-herald:01",
    }
    return DeadLetter(**{**values, **fields})  # type: ignore[arg-type]  # of the right types as they are


@pytest.fixture
async def letters(redis_client: Redis) -> DeadLetters:
    """The dead letters of a group that exists."""
    await Groups(redis_client).create(OWN, NAME, after="0-0")
    return DeadLetters(redis_client)


async def ids_of(letters: DeadLetters, **options: object) -> list[str]:
    page = await letters.find(DeadLetterFilter.of(**options), limit=100)  # type: ignore[arg-type]  # a test's options
    return [buried.content.id for buried in page.letters]


async def test_what_was_buried_is_found_as_it_was_and_acknowledged(redis_client: Redis, letters: DeadLetters) -> None:
    log, groups = EventLog(redis_client), Groups(redis_client)
    await groups.create("broadcast", NAME, after="0-0")
    await log.append("broadcast", [NewEvent("", "post:created", "{")])
    ((_, entry),) = await groups.exchange(NAME, "hub", acks={}, logs=["broadcast"], count=1)
    await letters.bury(HERALD, NOTIFY, letter(position=entry.position))
    (buried,) = (await letters.find(DeadLetterFilter(), limit=10)).letters
    assert buried.letter == letter(position=entry.position)
    assert (buried.content.source, buried.content.ts, buried.content.meta) == (
        "exprsn-timeline",
        1795445282363,
        {"a": "b"},
    )
    assert bytes(buried.content.data) == b'{"n":1}'
    assert await letters.get(buried.id) == buried
    assert await groups.pending("broadcast", NAME, "hub") == []
    assert await letters.count(HERALD, NOTIFY) == 1


async def test_filters_choose_by_group_event_id_and_time(letters: DeadLetters) -> None:
    await letters.bury(HERALD, NOTIFY, letter("e1"))
    await letters.bury(HERALD, NOTIFY, letter("e2", "user:updated"))
    await letters.bury("exprsn-spark", "push", letter("e3"))
    assert await ids_of(letters) == ["e1", "e2", "e3"]
    assert await ids_of(letters, service="spark") == ["e3"]
    assert await ids_of(letters, group="notify") == ["e1", "e2"]
    assert await ids_of(letters, events=["post:*"]) == ["e1", "e3"]
    assert await ids_of(letters, ids=["e2"]) == ["e2"]
    assert await ids_of(letters, error="valueerror: NO") == ["e1", "e2", "e3"]
    assert await ids_of(letters, error="KeyError") == []
    assert await ids_of(letters, since="1h") == ["e1", "e2", "e3"]
    assert await ids_of(letters, until="1h") == []


async def test_a_condition_chooses_among_events_and_their_failures(letters: DeadLetters) -> None:
    """Those on which it cannot be evaluated are passed over, and counted."""
    await letters.bury(HERALD, NOTIFY, letter("e1"))
    await letters.bury(HERALD, NOTIFY, letter("e2", attempts=1, error="KeyError: 'n'"))
    odd = letter("e3").frame.replace('{"n":1}', '{"n":"one"}')
    await letters.bury(HERALD, NOTIFY, letter("e3", frame=odd))
    bare = letter("e4").frame.partition(',"data":')[0]
    await letters.bury(HERALD, NOTIFY, letter("e4", frame=bare))
    for where, ids, undecided in (
        ({"$eq": [{"$var": "meta.a"}, "b"]}, ["e1", "e2", "e3"], 0),
        ({"$eq": [{"$var": "data"}, None]}, ["e4"], 0),
        ({"$in": ["KeyError", {"$var": "error"}]}, ["e2"], 0),
        ({"$gt": [{"$var": "data.n"}, 0]}, ["e1", "e2"], 1),
        ({"__jsonlex": True, "expr": {"$lt": [{"$var": "attempts"}, 3]}}, ["e2"], 0),
    ):
        page = await letters.find(DeadLetterFilter.of(where=where), limit=10)
        assert ([buried.content.id for buried in page.letters], page.undecided) == (ids, undecided)
    page = await letters.find(DeadLetterFilter.of(where={"$var": "data.n"}), limit=1)
    assert ([buried.content.id for buried in page.letters], page.has_more) == (["e1"], True)


async def test_pages_follow_each_other_over_groups_without_gap_or_repeat(
    letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_COUNT", 2)
    expected = []
    for service in (HERALD, "exprsn-spark"):
        for number in range(5):
            await letters.bury(service, NOTIFY, letter(f"{service}-{number}"))
            expected.append(f"{service}-{number}")
    seen: list[str] = []
    after = None
    while True:
        page = await letters.find(DeadLetterFilter(), limit=3, after=after)
        seen += [buried.content.id for buried in page.letters]
        if not page.has_more:
            break
        assert page.next == page.letters[-1].id
        after = page.next
    assert seen == expected


async def test_no_more_are_looked_at_than_others_wait_for(letters: DeadLetters) -> None:
    """What is meant may be the last of many: each page says where the next one goes on."""
    for service in (HERALD, "exprsn-spark"):
        for number in range(5):
            await letters.bury(service, NOTIFY, letter(f"{service}-{number}"))
    wanted = DeadLetterFilter.of(ids=["exprsn-spark-3"])
    found: list[list[str]] = []
    after = None
    while not found or after is not None:
        page = await letters.find(wanted, limit=3, after=after, max_looked=4)
        found.append([buried.content.id for buried in page.letters])
        after = page.next
    assert found == [[], [], ["exprsn-spark-3"]]


async def test_groups_are_counted_that_have_letters(letters: DeadLetters) -> None:
    assert await letters.counts() == []
    for event_id in ("e1", "e2"):
        await letters.bury("exprsn-spark", NOTIFY, letter(event_id))
    await letters.bury(HERALD, NOTIFY, letter())
    await letters.discard(
        [buried.id for buried in (await letters.find(DeadLetterFilter(), limit=1)).letters], by="ada", reason="old"
    )
    assert await letters.counts() == [("exprsn-spark", NOTIFY, 2)]


async def test_a_redriven_letter_waits_in_the_groups_own_log_alone(redis_client: Redis, letters: DeadLetters) -> None:
    """It is a new entry there, so Redis counts its attempts from one; once it is acknowledged nothing of it is left."""
    await letters.bury(HERALD, NOTIFY, letter("e1"))
    await letters.bury(HERALD, NOTIFY, letter("e2"))
    (first, second) = (await letters.find(DeadLetterFilter(), limit=10)).letters
    assert await letters.redrive([first.id]) == [first.id]
    assert await ids_of(letters) == ["e2"]
    groups = Groups(redis_client)
    ((log, entry),) = await groups.exchange(NAME, "hub", acks={}, logs=[OWN], count=10)
    assert (log, entry.event, entry.frame) == (OWN, "post:created", first.letter.frame)
    await groups.exchange(NAME, "hub", acks={OWN: [entry.position]}, logs=[], count=1)
    assert await redis_client.xlen(keys.log(OWN)) == 0
    assert await letters.get(second.id) == second


async def test_two_who_redrive_the_same_letter_deliver_it_once(redis_client: Redis, letters: DeadLetters) -> None:
    await letters.bury(HERALD, NOTIFY, letter())
    (buried,) = (await letters.find(DeadLetterFilter(), limit=1)).letters
    moved = await asyncio.gather(*(letters.redrive([buried.id]) for _ in range(8)))
    assert sum(map(len, moved)) == 1
    assert await redis_client.xlen(keys.log(OWN)) == 1


async def test_a_redrive_to_a_group_that_is_forgotten_is_refused_and_keeps_the_letter(redis_client: Redis) -> None:
    letters = DeadLetters(redis_client)
    await letters.bury(HERALD, NOTIFY, letter())
    (buried,) = (await letters.find(DeadLetterFilter(), limit=1)).letters
    with pytest.raises(BadMessageError, match="there is no group notify of exprsn-herald any more") as refused:
        await letters.redrive([buried.id])
    assert refused.value.code is ErrorCode.NOT_FOUND
    assert await letters.orphans([buried.id]) == [buried.id]
    assert await ids_of(letters) == ["e1"]


async def test_what_the_groups_own_log_has_no_room_for_stays_dead(
    redis_client: Redis, letters: DeadLetters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_DEAD", 2)
    await asyncio.gather(*(letters.bury(HERALD, NOTIFY, letter(f"e{number}")) for number in range(3)))
    page = await letters.find(DeadLetterFilter(), limit=10)
    moved = await letters.redrive([buried.id for buried in page.letters])
    assert moved == [buried.id for buried in page.letters[:2]]
    assert await letters.count(HERALD, NOTIFY) == 1
    assert await redis_client.xlen(keys.log(OWN)) == 2


async def test_a_redriven_event_that_is_given_up_again_is_dead_once(redis_client: Redis, letters: DeadLetters) -> None:
    await letters.bury(HERALD, NOTIFY, letter())
    (buried,) = (await letters.find(DeadLetterFilter(), limit=1)).letters
    await letters.redrive([buried.id])
    ((_, entry),) = await Groups(redis_client).exchange(NAME, "hub", acks={}, logs=[OWN], count=1)
    await letters.bury(HERALD, NOTIFY, letter(log=OWN, position=entry.position))
    assert await ids_of(letters) == ["e1"]
    assert await redis_client.xlen(keys.log(OWN)) == 0


async def test_what_is_discarded_is_gone_and_the_reason_stays(letters: DeadLetters) -> None:
    await letters.bury(HERALD, NOTIFY, letter())
    (buried,) = (await letters.find(DeadLetterFilter(), limit=1)).letters
    assert await letters.discard([buried.id], by="ada", reason="a test post") == [buried.id]
    assert await letters.discard([buried.id], by="ada", reason="again") == []
    (kept,) = await letters.discarded(HERALD, NOTIFY)
    assert (kept.letter, kept.by, kept.reason) == (buried.id.position, "ada", "a test post")
    assert (kept.event, kept.frame, kept.error) == ("post:created", buried.letter.frame, "ValueError: no")
    with pytest.raises(BadMessageError, match="was redriven or discarded") as missing:
        await letters.get(buried.id)
    assert missing.value.code is ErrorCode.NOT_FOUND


async def test_nothing_is_discarded_without_a_reason(letters: DeadLetters) -> None:
    await letters.bury(HERALD, NOTIFY, letter())
    (buried,) = (await letters.find(DeadLetterFilter(), limit=1)).letters
    with pytest.raises(BadMessageError, match="say which"):
        await letters.discard([buried.id], by="ada", reason="  ")
    assert await ids_of(letters) == ["e1"]


async def test_what_is_not_there_is_neither_redriven_nor_discarded(letters: DeadLetters) -> None:
    nothing = [LetterId(HERALD, NOTIFY, "1-0")]
    assert await letters.redrive(nothing) == []
    assert await letters.discard(nothing, by="ada", reason="why not") == []
