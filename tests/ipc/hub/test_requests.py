"""What a session asks for, message by message: carried out, or refused with the code that says why."""

import json

import pytest

from ipc.hub.hub import Hub
from ipc.protocol.limits import Limits
from tests.ipc.conftest import MakeHub
from tests.ipc.members import Member
from tests.ipc.peers import Message


async def test_ping_is_answered(hub: Hub) -> None:
    assert await Member(hub).ask(type="ping", id="7") == {"type": "pong", "id": "7"}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "emit", "event": "post"}, "INVALID_EVENT"),
        ({"type": "emit", "event": "post:*"}, "INVALID_EVENT"),
        ({"type": "emit", "event": 'a:b","source":"exprsn-auth'}, "INVALID_EVENT"),
        ({"type": "emit", "event": "a:b", "target": "nobody"}, "UNKNOWN_TARGET"),
        ({"type": "emit", "event": "a:b", "target": []}, "UNKNOWN_TARGET"),
        ({"type": "emit", "event": "a:b", "target": ["herald", "nobody"]}, "UNKNOWN_TARGET"),
        ({"type": "emit", "event": "a:b", "target": ["herald"] * 33}, "UNKNOWN_TARGET"),
        ({"type": "emit", "event": "a:b", "data": "x" * (256 * 1024)}, "DATA_TOO_LARGE"),
        ({"type": "emit", "event": "a:b", "meta": {"x": "y" * (256 * 1024)}}, "DATA_TOO_LARGE"),
        ({"type": "emit", "event": "a:b", "traceparent": "x" * 65}, "INVALID_MESSAGE"),
        ({"type": "subscribe", "events": ["post"]}, "INVALID_PATTERN"),
        ({"type": "subscribe", "events": ["a:b", "**"]}, "INVALID_PATTERN"),
        ({"type": "subscribe", "events": ["a:b"], "since": {"broadcast": "yesterday"}}, "INVALID_POSITION"),
        ({"type": "subscribe", "events": ["a:b"], "since": {"broadcast": "+"}}, "INVALID_POSITION"),
        ({"type": "subscribe", "events": ["a:b"], "since": {"exprsn-spark": "0-0"}}, "INVALID_MESSAGE"),
        ({"type": "subscribe", "events": ["a:b"], "since": {"herald": "0-0"}}, "INVALID_MESSAGE"),
        ({"type": "subscribe", "events": ["a:b"], "credit": 5}, "INVALID_MESSAGE"),
        ({"type": "subscribe", "events": ["a:b"], "retry": {}}, "INVALID_MESSAGE"),
        ({"type": "subscribe", "events": ["a:b"], "group": ""}, "INVALID_GROUP"),
        ({"type": "subscribe", "events": ["a:b"], "group": "no/slashes"}, "INVALID_GROUP"),
        ({"type": "subscribe", "events": ["a:b"], "group": "g" * 65}, "INVALID_GROUP"),
        ({"type": "subscribe", "events": ["a:b"], "group": "g", "credit": 0}, "INVALID_MESSAGE"),
        ({"type": "subscribe", "events": ["a:b"], "group": "g", "credit": 1_001}, "INVALID_MESSAGE"),
        ({"type": "subscribe", "events": ["a:b"], "group": "g", "retry": {"ack_ms": 0}}, "INVALID_MESSAGE"),
        ({"type": "subscribe", "events": ["a:b"], "group": "g", "retry": {"backoff_ms": 5}}, "INVALID_MESSAGE"),
        ({"type": "subscribe", "events": ["a:b"], "group": "g", "retry": {"backoff_ms": [-1]}}, "INVALID_MESSAGE"),
        ({"type": "subscribe", "events": ["a:b"], "group": "g", "retry": {"times": 3}}, "INVALID_MESSAGE"),
        ({"type": "ack", "deliveries": []}, "INVALID_MESSAGE"),
        ({"type": "ack", "deliveries": ["1"]}, "UNKNOWN_DELIVERY"),
        ({"type": "nack", "deliveries": ["1"]}, "INVALID_MESSAGE"),
        ({"type": "nack", "deliveries": ["1"], "reason": ""}, "INVALID_MESSAGE"),
        ({"type": "nack", "deliveries": ["1"], "reason": "r", "retry_in_ms": -1}, "INVALID_MESSAGE"),
        ({"type": "nack", "deliveries": ["1"], "reason": "r"}, "UNKNOWN_DELIVERY"),
        ({"type": "progress", "deliveries": ["1"]}, "UNKNOWN_DELIVERY"),
        ({"type": "subscribe", "events": ["a:b"], "where": {"$equals": [1, 1]}}, "JSONLEX_INVALID"),
        ({"type": "subscribe", "events": ["a:b"], "select": {"$nope": 1}}, "JSONLEX_INVALID"),
        ({"type": "unsubscribe", "events": ["a:b"], "group": "no/slashes"}, "INVALID_GROUP"),
        ({"type": "unsubscribe", "events": ["a:b"], "forget": True}, "INVALID_MESSAGE"),
        ({"type": "auth", "token": "t"}, "NOT_IMPLEMENTED"),
        ({"type": "shout"}, "UNKNOWN_TYPE"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else value,
)
async def test_what_is_wrong_is_refused_and_the_session_lives_on(hub: Hub, message: Message, code: str) -> None:
    member = Member(hub)
    assert await member.refused_with(**message) == code
    assert hub.counters.messages_refused == 1
    assert await hub.eventlog.last_positions(["broadcast", "exprsn-herald"]) == ["0-0", "0-0"]


@pytest.mark.parametrize("data", ["1e999", "[" * 65 + "]" * 65, "9" * 5000])
async def test_data_that_would_break_a_reader_never_reaches_the_log(hub: Hub, data: str) -> None:
    """It is JSON as far as a frame's boundaries go, but not every reader could take it."""
    member = Member(hub)
    await member.raw(f'{{"type":"emit","id":"1","event":"a:b","data":{data}}}')
    assert (await member.answer("1"))["code"] == "INVALID_DATA"
    assert await hub.eventlog.last_positions(["broadcast"]) == ["0-0"]


@pytest.mark.parametrize("data", ['"\\ud800"', '"\t"', '"a\\x"', "NaN", "01"])
async def test_data_that_breaks_its_own_frame_closes_the_session(hub: Hub, data: str) -> None:
    member = Member(hub)
    await member.raw(f'{{"type":"emit","id":"1","event":"a:b","data":{data}}}')
    assert await member.peer.close_code() == 4400
    assert await hub.eventlog.last_positions(["broadcast"]) == ["0-0"]


async def test_asking_for_an_ok_needs_an_id_for_it(hub: Hub) -> None:
    member = Member(hub)
    await member.say({"type": "emit", "event": "a:b", "ack": True})
    assert (await member.answer(None))["code"] == "INVALID_MESSAGE"


async def test_the_messages_of_a_frame_are_carried_out_in_order(hub: Hub) -> None:
    """What is wrong among them is refused in its place, and what comes after it is done."""
    member = Member(hub)
    await member.say(
        {"type": "subscribe", "id": "1", "events": ["a:*"]},
        {"type": "emit", "id": "2", "event": "a:one", "ack": True},
        {"type": "emit", "id": "3", "event": "wrong", "ack": True},
        {"type": "emit", "id": "4", "event": "a:two", "ack": True},
    )
    await member.answer("4")
    answers = [(m["type"], m["id"]) for m in member.peer.messages if m["type"] in {"ok", "error"}]
    assert sorted(answers, key=lambda answer: answer[1]) == [("ok", "1"), ("ok", "2"), ("error", "3"), ("ok", "4")]
    assert [event["event"] for event in member.peer.events] == ["a:one", "a:two"]


@pytest.mark.parametrize(
    ("frame", "code", "close_code"),
    [
        ("nonsense", "INVALID_JSON", 4400),
        ("", "INVALID_JSON", 4400),
        ("[]", "INVALID_JSON", 4400),
        ('{"type":"ping"}\n{', "INVALID_JSON", 4400),
        ("[" * 50_000, "INVALID_JSON", 4400),
        ("x" * 2_000_000, "FRAME_TOO_LARGE", 4413),
        ('{"type":"ping"}\n' * 513, "FRAME_TOO_LARGE", 4413),
        (b"\xff\xfe", "INVALID_JSON", 4400),
    ],
    ids=range(8),
)
async def test_a_frame_that_cannot_be_taken_apart_closes_its_session_only(
    hub: Hub, frame: str | bytes, code: str, close_code: int
) -> None:
    """It is told why first; nothing of the frame is done, and the neighbours never notice."""
    member, neighbour = Member(hub), Member(hub)
    await neighbour.subscribe("*")
    await member.raw(frame)
    assert await member.peer.close_code() == close_code
    assert [message["type"] for message in member.peer.messages] == ["welcome", "error"]
    assert member.peer.messages[1]["code"] == code
    await member.say({"type": "emit", "event": "a:b"})
    assert await neighbour.is_well()
    assert neighbour.heard == []
    assert list(hub.sessions.values()) == [neighbour.session]


async def test_a_session_does_what_its_permissions_cover(hub: Hub) -> None:
    member = Member(hub, permissions={"emit:post:*", "subscribe:post:*"})
    await member.subscribe("post:*")
    await member.emit("post:created", 1)
    assert await member.hears(1) == [1]
    assert await member.refused_with(type="emit", event="user:created") == "FORBIDDEN"
    assert await member.refused_with(type="subscribe", events=["post:*", "*"]) == "FORBIDDEN"
    assert await member.refused_with(type="subscribe", events=["user:*"]) == "FORBIDDEN"
    assert list(member.session.patterns) == ["post:*"]


@pytest.mark.parametrize(
    ("message", "needed"),
    [
        ({"type": "emit", "event": "user:created"}, "emit:user:created"),
        ({"type": "declare", "events": [{"event": "user:created", "schema": {}}]}, "emit:user:created"),
        ({"type": "subscribe", "events": ["user:*"]}, "subscribe:user:*"),
        ({"type": "subscribe", "events": ["post:*"], "also": [{"events": ["user:*"]}]}, "subscribe:user:*"),
        ({"type": "subscribe", "events": ["user:*"], "group": "mail"}, "subscribe:user:*"),
        ({"type": "call", "op": "delete", "resource": "posts"}, "call:posts.delete"),
        ({"type": "call", "op": "read", "resource": "mails"}, "call:mails.read"),
        ({"type": "serve", "resources": [{"name": "posts", "ops": ["read"]}]}, "serve:posts"),
        ({"type": "serve", "resources": [], "hand_over": {"posts": "spark"}}, "serve:posts"),
        ({"type": "jsonlex", "expression": 1}, "jsonlex"),
        ({"type": "state", "op": "get", "token": "a.b.c"}, "state"),
        ({"type": "operation", "op": "list"}, "state"),
        ({"type": "status", "event": "e", "source": "spark"}, "*"),
        ({"type": "explain", "event": "post:created", "source": "spark"}, "*"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["type"],
)
async def test_a_refusal_names_the_permission_that_is_missing(
    hub: Hub, message: dict[str, object], needed: str
) -> None:
    """Each verb asks for its own, whatever else the session may do."""
    member = Member(hub, permissions={"emit:post:*", "subscribe:post:*", "call:posts.read", "serve:mails"})
    refused = await member.ask(**message)
    assert (refused["code"], refused["details"]) == ("FORBIDDEN", {"needed": needed})


async def test_patterns_are_bounded(make_hub: MakeHub) -> None:
    """Counted once each over all subscriptions; those taken back make room."""
    member = Member(await make_hub(limits=Limits(patterns_per_session=3)))
    await member.subscribe("a:1", "a:2", "a:2", "a:1")
    await member.subscribe("a:2", "a:3")
    assert await member.refused_with(type="subscribe", events=["a:3", "a:4"]) == "TOO_MANY_SUBSCRIPTIONS"
    assert (await member.ask(type="unsubscribe", events=["a:1"]))["type"] == "ok"
    await member.subscribe("a:4")


async def test_activity_and_pongs_are_noted(hub: Hub) -> None:
    member = Member(hub)
    member.session.last_activity_ms = 0
    member.session.unanswered_pings = 2
    await member.say({"type": "pong", "sent": 5})
    assert member.session.last_activity_ms > 0
    assert member.session.unanswered_pings == 0
