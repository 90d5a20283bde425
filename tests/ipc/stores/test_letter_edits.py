"""Dead letters that were edited: the group gets the new data, marked, and the letter as it was is kept."""

import json
from typing import Any

import pytest
from redis.asyncio import Redis

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, UnavailableError
from ipc.protocol.frames import closed
from ipc.protocol.limits import Limits
from ipc.stores import keys, letter_edits
from ipc.stores.dead_letter_filter import DeadLetterFilter, LetterId
from ipc.stores.dead_letters import DeadLetters
from ipc.stores.groups import Groups
from ipc.stores.letter_edits import REASON, redrive_edited
from tests.ipc.stores.test_dead_letters import HERALD, NAME, NOTIFY, OWN, letter


@pytest.fixture
async def buried(redis_client: Redis) -> LetterId:
    await Groups(redis_client).create(OWN, NAME, after="0-0")
    letters = DeadLetters(redis_client)
    await letters.bury(HERALD, NOTIFY, letter())
    (found,) = (await letters.find(DeadLetterFilter(), limit=1)).letters
    return found.id


async def edit(redis: Redis, letter_id: LetterId, data: str = '{"n": 2}', **limits: Any) -> str:
    return await redrive_edited(redis, letter_id, data, by="operator 7", limits=Limits(**limits))


async def own(redis: Redis) -> list[dict[str, Any]]:
    rows: Any = await redis.xrange(keys.log(OWN))
    return [json.loads(fields[b"f"] + b"}") for _, fields in rows]


async def test_the_group_gets_it_with_other_data_and_the_name_of_who_has_changed_it(
    redis_client: Redis, buried: LetterId
) -> None:
    before = (await DeadLetters(redis_client).get(buried)).letter
    await edit(redis_client, buried)
    (event,) = await own(redis_client)
    assert event == {**json.loads(closed(before.frame)), "data": {"n": 2}, "edited": "operator 7"}
    assert next(iter(event)) == "type"
    assert await DeadLetters(redis_client).count(HERALD, NOTIFY) == 0
    (kept,) = await DeadLetters(redis_client).discarded(HERALD, NOTIFY)
    assert (kept.frame, kept.by, kept.reason, kept.letter) == (before.frame, "operator 7", REASON, buried.position)


async def test_what_was_edited_before_says_who_was_the_last(redis_client: Redis, buried: LetterId) -> None:
    frame = letter().frame + ',"edited":"operator 1","replay":{"id":"r"}'
    await DeadLetters(redis_client).bury(HERALD, NOTIFY, letter(frame=frame))
    (_, second) = (await DeadLetters(redis_client).find(DeadLetterFilter(), limit=2)).letters
    await edit(redis_client, second.id, "[\n1]")
    (event,) = await own(redis_client)
    assert (event["edited"], event["replay"], event["data"]) == ("operator 7", {"id": "r"}, [1])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        ("{", ErrorCode.INVALID_DATA),
        ("", ErrorCode.INVALID_DATA),
        ("1 2", ErrorCode.INVALID_DATA),
        ('{"a":1},"source":"exprsn-bridge"', ErrorCode.INVALID_DATA),
        ('"\ud800"', ErrorCode.INVALID_DATA),
        ("[" * 65 + "]" * 65, ErrorCode.INVALID_DATA),
        (f'"{"x" * 100}"', ErrorCode.DATA_TOO_LARGE),
    ],
)
async def test_bad_data_change_nothing(redis_client: Redis, buried: LetterId, data: str, code: ErrorCode) -> None:
    with pytest.raises(BadMessageError) as raised:
        await edit(redis_client, buried, data, data_bytes=100 if code is ErrorCode.DATA_TOO_LARGE else 1_000)
    assert raised.value.code is code
    assert await DeadLetters(redis_client).count(HERALD, NOTIFY) == 1
    assert await own(redis_client) == []


async def test_a_letter_comes_again_once(redis_client: Redis, buried: LetterId) -> None:
    await edit(redis_client, buried)
    with pytest.raises(BadMessageError, match="no dead letter"):
        await edit(redis_client, buried)
    assert len(await own(redis_client)) == 1


async def test_without_a_group_or_room_it_stays(
    redis_client: Redis, buried: LetterId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letter_edits, "MAX_DEAD", 0)
    with pytest.raises(UnavailableError, match="wait until"):
        await edit(redis_client, buried)
    await Groups(redis_client).destroy(OWN, NAME)
    with pytest.raises(BadMessageError, match="no group"):
        await edit(redis_client, buried)
    assert await DeadLetters(redis_client).count(HERALD, NOTIFY) == 1
