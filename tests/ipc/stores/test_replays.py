"""Replays on a real Valkey: which events come again, marked, each once, and how far a replay is."""

import asyncio
import json
import time
from typing import Any

import pytest
from redis.asyncio import Redis

from ipc.protocol.errors import BadMessageError, ConflictError
from ipc.protocol.routing import own_log
from ipc.stores import keys, replays
from ipc.stores.eventlog import EventLog, NewEvent
from ipc.stores.group_definitions import GroupDefinitions
from ipc.stores.groups import Groups
from ipc.stores.replay_span import Span
from ipc.stores.replays import Replay, Replays, State

HERALD, NOTIFY, NAME = "exprsn-herald", "notify", "exprsn-herald/notify"
OWN = own_log(HERALD, NOTIFY)


def new(event: str, number: int) -> NewEvent:
    frame = (
        f'{{"type":"event","id":"e{number}","event":"{event}","source":"exprsn-timeline","target":"broadcast",'
        f'"ts":5,"data":{{"n":{number}}},"meta":{{"replay":"not this one"}}'
    )
    return NewEvent("", event, frame)


@pytest.fixture
async def store(redis_client: Redis) -> Replays:
    """Of a group that wants posts."""
    await Groups(redis_client).create(OWN, NAME, after="0-0")
    await GroupDefinitions(redis_client).define(NAME, ["post:*"], 3)
    return Replays(redis_client)


@pytest.fixture
async def positions(redis_client: Redis) -> list[str]:
    """Ten posts with a user after each."""
    events = [new(event, number) for number in range(10) for event in ("post:created", "user:updated")]
    return (await EventLog(redis_client).append("broadcast", events)).positions


def span(**asked: Any) -> Span:
    return Span.of(HERALD, **{"log": "broadcast", "first": "0-0", "now_ms": time.time_ns() // 1_000_000, **asked})


async def done(store: Replays, replay: Replay) -> Replay:
    while replay.is_running:
        replay = await store.step(HERALD, NOTIFY, replay.id)
    return replay


async def again(redis: Redis) -> list[dict[str, Any]]:
    rows: Any = await redis.xrange(keys.log(OWN))
    return [json.loads(fields[b"f"] + b"}") for _, fields in rows]


@pytest.mark.usefixtures("positions")
@pytest.mark.parametrize("step", [1, 3, 200])
async def test_what_the_group_wants_comes_again_in_order_and_marked(
    redis_client: Redis, store: Replays, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    monkeypatch.setattr(replays, "STEP", step)
    begun = await store.begin(HERALD, NOTIFY, span(again=True), by="operator 1")
    assert (begun.state, begun.moved, begun.by) == (State.RUNNING, 0, "operator 1")
    ended = await done(store, begun)
    assert (ended.state, ended.moved, ended.looked, ended.share) == (State.DONE, 10, 20, 1.0)
    events = await again(redis_client)
    assert [event["id"] for event in events] == [f"e{number}" for number in range(10)]
    assert {json.dumps(event["replay"]) for event in events} == {json.dumps({"id": begun.id, "again": True})}
    assert events[0]["data"] == {"n": 0}
    assert await store.latest(HERALD, NOTIFY) == ended


async def test_ends_pattern_and_number_bound_it(redis_client: Redis, store: Replays, positions: list[str]) -> None:
    for asked, ids in (
        ({"first": positions[4], "last": positions[8]}, ["e2", "e3", "e4"]),
        ({"first": positions[5], "last": positions[5]}, []),
        ({"most": 2}, ["e0", "e1"]),
        ({"pattern": "post:deleted"}, []),
        ({"pattern": "user:*"}, []),
        ({"first": "1h"}, [f"e{number}" for number in range(10)]),
        ({"first": "2h", "last": "1h"}, []),
        ({"log": HERALD}, []),
    ):
        await redis_client.xtrim(keys.log(OWN), maxlen=0, approximate=False)
        await done(store, await store.begin(HERALD, NOTIFY, span(**asked), by="x"))
        assert [event["id"] for event in await again(redis_client)] == ids, asked


@pytest.mark.usefixtures("positions")
async def test_the_condition_of_the_group_counts(redis_client: Redis, store: Replays) -> None:
    where = json.dumps({"$gt": [{"$var": "data.n"}, 7]})
    await GroupDefinitions(redis_client).define(NAME, ["post:*"], 3, where=where)
    await done(store, await store.begin(HERALD, NOTIFY, span(), by="x"))
    assert [event["id"] for event in await again(redis_client)] == ["e8", "e9"]


@pytest.mark.usefixtures("positions")
async def test_what_is_emitted_after_it_has_begun_is_not_part_of_it(redis_client: Redis, store: Replays) -> None:
    begun = await store.begin(HERALD, NOTIFY, span(), by="x")
    await EventLog(redis_client).append("broadcast", [new("post:created", 99)])
    assert (await done(store, begun)).moved == 10


@pytest.mark.usefixtures("positions")
async def test_two_who_step_at_once_make_one_step(
    redis_client: Redis, store: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "STEP", 4)
    begun = await store.begin(HERALD, NOTIFY, span(), by="x")
    while begun.is_running:
        steps = await asyncio.gather(*(store.step(HERALD, NOTIFY, begun.id) for _ in range(5)))
        begun = steps[-1]
    assert [event["id"] for event in await again(redis_client)] == [f"e{number}" for number in range(10)]


@pytest.mark.usefixtures("positions")
async def test_a_full_log_makes_it_wait_where_it_is(
    redis_client: Redis, store: Replays, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "MAX_DEAD", 3)
    begun = await store.begin(HERALD, NOTIFY, span(), by="x")
    for moved, looked in ((3, 5), (3, 5)):
        at = await store.step(HERALD, NOTIFY, begun.id)
        assert (at.moved, at.looked, at.is_running) == (moved, looked, True)
    assert 0 < at.share < 1
    for _ in range(3):
        await redis_client.xtrim(keys.log(OWN), maxlen=0, approximate=False)
        at = await store.step(HERALD, NOTIFY, begun.id)
    assert (at.moved, at.looked, at.state) == (10, 20, State.DONE)


@pytest.mark.usefixtures("positions")
async def test_one_at_a_time_and_cancelled_for_good(
    store: Replays, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "STEP", 4)
    begun = await store.begin(HERALD, NOTIFY, span(), by="operator 1")
    with pytest.raises(ConflictError, match="operator 1"):
        await store.begin(HERALD, NOTIFY, span(), by="operator 2")
    await store.step(HERALD, NOTIFY, begun.id)
    cancelled = await store.cancel(HERALD, NOTIFY, begun.id)
    assert (cancelled.state, cancelled.moved) == (State.CANCELLED, 2)
    assert await store.step(HERALD, NOTIFY, begun.id) == cancelled
    assert len(await again(redis_client)) == 2
    other = await store.begin(HERALD, NOTIFY, span(), by="operator 2")
    with pytest.raises(BadMessageError, match="no replay"):
        await store.step(HERALD, NOTIFY, begun.id)
    assert (await done(store, other)).moved == 10


async def test_a_group_that_is_none_gets_nothing(redis_client: Redis) -> None:
    with pytest.raises(BadMessageError, match="no group"):
        await Replays(redis_client).begin(HERALD, NOTIFY, span(), by="x")
    with pytest.raises(BadMessageError, match="no replay"):
        await Replays(redis_client).step(HERALD, NOTIFY, "01")
    assert await Replays(redis_client).latest(HERALD, NOTIFY) is None


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"log": "exprsn-spark"}, "hears broadcast and exprsn-herald"),
        ({"most": 0}, "1 to 10000"),
        ({"most": 10_001}, "1 to 10000"),
        ({"pattern": "::"}, "pattern"),
        ({"first": "soon"}, "no moment"),
        ({"first": "5-x"}, "no moment|position"),
        ({"first": "1h", "last": "2h"}, "before it begins"),
        ({"first": "6-1", "last": "6-0"}, "before it begins"),
        ({"last": "1-99999999999999999999999"}, "position"),
    ],
)
def test_a_span_that_makes_no_sense_is_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(BadMessageError, match=said):
        span(**asked)
