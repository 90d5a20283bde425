"""What a session emits: what is said of each event, and what its emitter is told."""

from typing import Any

import pytest

from ipc.hub.hub import Hub
from tests.ipc.members import Member


async def test_an_event_has_all_that_was_said_and_who_said_it(hub: Hub) -> None:
    """The source is the session's, whatever the message claims."""
    herald, spark = Member(hub, "herald"), Member(hub, "spark")
    await spark.subscribe("*")
    position = await herald.emit(
        "notification:sent",
        {"to": ["é", 1.5, None]},
        id="n-1",
        target="spark",
        meta={"try": 1},
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        source="exprsn-auth",
    )
    await spark.hears(1)
    (event,) = spark.peer.events
    assert event.pop("ts") == herald.session.last_activity_ms
    assert event == {
        "type": "event",
        "id": "n-1",
        "event": "notification:sent",
        "source": "exprsn-herald",
        "target": "exprsn-spark",
        "data": {"to": ["é", 1.5, None]},
        "meta": {"try": 1},
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "log": "exprsn-spark",
        "position": position,
    }


async def test_data_arrives_byte_for_byte(hub: Hub) -> None:
    """Nobody rewrites numbers, orders members or removes spaces, except newlines between values."""
    member = Member(hub)
    await member.subscribe("*")
    await member.raw('{"type":"emit","event":"a:b","data":{"b": 1.0, "a": 1E2, "c": "\\u00e9\\n", "b": 2}}')
    await member.raw('{"type":"emit","event":"a:b","data":[\n1,\r\n2\n]}')
    await member.hears(2)
    frames = "\n".join(member.peer.frames)
    assert '"data":{"b": 1.0, "a": 1E2, "c": "\\u00e9\\n", "b": 2},"log"' in frames
    assert '"data":[1,2],"log"' in frames


async def test_meta_is_an_object_or_nothing(hub: Hub) -> None:
    member = Member(hub)
    await member.subscribe("*")
    await member.emit(meta=None)
    await member.emit(meta={})
    assert [event.get("meta") for event in (await member.hears(2)) and member.peer.events] == [None, {}]
    wrong: list[Any] = [[], 1, "x", True]
    for meta in wrong:
        assert await member.refused_with(type="emit", event="a:b", meta=meta) == "INVALID_MESSAGE"


async def test_an_event_without_an_id_is_given_one(hub: Hub) -> None:
    member = Member(hub)
    await member.subscribe("*")
    await member.say({"type": "emit", "event": "a:b"}, {"type": "emit", "event": "a:b"})
    await member.hears(2)
    ids = [event["id"] for event in member.peer.events]
    assert ids == [f"{member.session.id}-1", f"{member.session.id}-2"]


async def test_an_emit_is_only_answered_when_it_asks(hub: Hub) -> None:
    member = Member(hub)
    await member.subscribe("*")
    await member.say(
        {"type": "emit", "id": "1", "event": "a:b"}, {"type": "emit", "id": "2", "event": "a:b", "ack": True}
    )
    ok = await member.answer("2")
    assert ok["position"] == ok["positions"]["broadcast"]
    assert await member.is_well()
    assert not [message for message in member.peer.messages if message.get("id") == "1" and message["type"] == "ok"]


@pytest.mark.parametrize(
    ("target", "heard"),
    [
        (["spark"], "exprsn-spark"),
        (["spark", "exprsn-spark"], "exprsn-spark"),
        (["broadcast", "spark"], "broadcast"),
        (["spark", "herald"], ["exprsn-spark", "exprsn-herald"]),
    ],
)
async def test_a_target_is_a_list_only_where_it_is_several(hub: Hub, target: list[str], heard: object) -> None:
    spark = Member(hub, "spark")
    await spark.subscribe("*")
    await spark.say({"type": "emit", "id": "1", "event": "a:b", "target": target})
    await spark.hears(1)
    assert spark.peer.events[0]["target"] == heard


async def test_a_repeat_is_called_one_where_all_of_its_logs_had_it(hub: Hub) -> None:
    member = Member(hub)
    emit: dict[str, object] = {"type": "emit", "id": "1", "event": "a:b", "ack": True, "target": ["herald", "spark"]}
    for target, expected in [("herald", None), ("herald", True), (["herald", "spark"], None), (["spark"], True)]:
        member.peer.messages.clear()
        await member.say({**emit, "target": target})
        assert (await member.answer("1")).get("duplicate") is expected
