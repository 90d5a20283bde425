"""Finding events by their ids in a real Valkey: what is remembered, what a ULID tells, and where the search ends."""

import json
import time
from typing import Any

import pytest
from redis.asyncio import Redis

from ipc.protocol.codec import encode_json
from ipc.protocol.ids import new_ulid
from ipc.stores import event_search, keys
from ipc.stores.event_search import EventSearch, Sighting
from ipc.stores.eventlog import EventLog, NewEvent

SOURCE = "exprsn-timeline"


@pytest.fixture
def search(redis_client: Redis) -> EventSearch:
    return EventSearch(redis_client)


def frame(event_id: str, source: str = SOURCE, data: str = "null") -> str:
    return (
        f'{{"type":"event","id":{json.dumps(event_id)},"event":"post:created","source":"{source}",'
        f'"target":"broadcast","ts":1,"data":{data}'
    )


async def append(log: EventLog, *event_ids: str, to: str = "broadcast", source: str = SOURCE) -> list[str]:
    events = [NewEvent(f"{source}/{event_id}", "post:created", frame(event_id, source)) for event_id in event_ids]
    return (await log.append(to, events)).positions


async def put(redis: Redis, position: str, event_id: str, *, log: str = "broadcast", data: str = "null") -> str:
    """Put an event into a log as it is when its id is remembered no more."""
    fields: dict[Any, Any] = {"e": "post:created", "f": frame(event_id, data=data), "p": "0-0"}
    await redis.xadd(keys.log(log), fields, id=position)
    return position


def places(sightings: list[Sighting]) -> list[tuple[str, str, str | None]]:
    return [(seen.log, seen.position, seen.source) for seen in sightings]


async def test_an_id_is_remembered_with_its_place(eventlog: EventLog, search: EventSearch) -> None:
    """In each log, for each source; nothing is looked through for it."""
    (first,) = await append(eventlog, "e1")
    (second,) = await append(eventlog, "e1", to="exprsn-herald")
    (third,) = await append(eventlog, "e1", source="exprsn-spark")
    found = await search.find("e1")
    assert found.looked == 0
    assert sorted(places(found.sightings)) == sorted(
        [("broadcast", first, SOURCE), ("exprsn-herald", second, SOURCE), ("broadcast", third, "exprsn-spark")]
    )
    assert places((await search.find("e1", source="exprsn-spark")).sightings) == [("broadcast", third, "exprsn-spark")]


async def test_what_is_remembered_and_trimmed_has_a_place_and_no_head(
    eventlog: EventLog, search: EventSearch, redis_client: Redis
) -> None:
    (position,) = await append(eventlog, "e1")
    await redis_client.xtrim(keys.log("broadcast"), maxlen=0, approximate=False)
    assert (await search.find("e1")).sightings == [Sighting("broadcast", position, SOURCE, None)]


async def test_a_ulid_tells_where_to_look(redis_client: Redis, search: EventSearch) -> None:
    """Only what was appended about then is looked at, in all logs."""
    event_id = new_ulid()
    now_ms = time.time_ns() // 1_000_000
    for log in ("broadcast", "exprsn-herald"):
        for ms in range(now_ms - 600_000, now_ms - 590_000, 100):
            await put(redis_client, f"{ms}-0", "other", log=log)
    here = await put(redis_client, f"{now_ms + 3}-0", event_id, log="exprsn-herald")
    await put(redis_client, f"{now_ms + 1}-0", f"{event_id[:-1]}!")
    found = await search.find(event_id)
    assert places(found.sightings) == [("exprsn-herald", here, SOURCE)]
    assert await search.find(event_id, source="exprsn-spark") != found


async def test_other_ids_are_looked_for_from_the_end(redis_client: Redis, search: EventSearch) -> None:
    first = await put(redis_client, "5-0", "row/7")
    for ms in range(6, 200):
        await put(redis_client, f"{ms}-0", "row/70")
    found = await search.find("row/7")
    assert (places(found.sightings), found.is_whole) == ([("broadcast", first, SOURCE)], True)
    missing = await search.find("row/8")
    assert (missing.sightings, missing.looked, missing.is_whole) == ([], 195, True)


async def test_an_outbox_event_that_was_late_is_found(redis_client: Redis, search: EventSearch) -> None:
    event_id = new_ulid()
    late = await put(redis_client, f"{time.time_ns() // 1_000_000 + 7_200_000}-0", event_id)
    assert places((await search.find(event_id)).sightings) == [("broadcast", late, SOURCE)]


async def test_an_id_that_the_bridge_made_is_found(redis_client: Redis, search: EventSearch) -> None:
    """It begins with that of the session, and nothing older is looked at."""
    event_id = f"{new_ulid()}-17"
    await put(redis_client, "5-0", "old")
    here = await put(redis_client, f"{time.time_ns() // 1_000_000}-0", event_id)
    found = await search.find(event_id)
    assert (places(found.sightings), found.looked) == ([("broadcast", here, SOURCE)], 1)


async def test_the_search_ends(redis_client: Redis, search: EventSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many events of a log, and after so long, and says that this was not all."""
    for ms in range(1, 61):
        await put(redis_client, f"{ms}-0", "needle" if ms == 1 else "hay")
    monkeypatch.setattr(event_search, "MAX_SEARCHED", 50)
    found = await search.find("needle")
    assert (found.sightings, found.looked, found.is_whole) == ([], 50, False)
    monkeypatch.setattr(event_search, "SEARCH_S", 0.0)
    found = await search.find("needle")
    assert (found.sightings, found.looked, found.is_whole) == ([], 0, False)


async def test_large_events_are_looked_through_in_small_steps(redis_client: Redis, search: EventSearch) -> None:
    data = json.dumps("x" * 200_000)
    here = await put(redis_client, "1-0", "needle", data=data)
    for ms in range(2, 42):
        await put(redis_client, f"{ms}-0", "hay", data=data)
    assert places((await search.find("needle")).sightings) == [("broadcast", here, SOURCE)]


@pytest.mark.parametrize("event_id", ['e"1', "e\\1", "e\n1", "é\U0001f600", "", "e1,"])
async def test_an_id_is_compared_as_it_is(redis_client: Redis, search: EventSearch, event_id: str) -> None:
    """The way in which the hub writes it, which is not JSON's only one."""
    await put(redis_client, "1-0", "e1")
    text = frame("e1").replace('"e1"', encode_json(event_id))
    await redis_client.xadd(keys.log("broadcast"), {"e": "post:created", "f": text, "p": "0-0"}, id="2-0")
    assert places((await search.find(event_id)).sightings) == [("broadcast", "2-0", SOURCE)]
