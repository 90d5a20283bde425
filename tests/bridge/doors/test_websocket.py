"""The native protocol on a real socket: what is asked, what is answered, and what ends it."""

import asyncio
import json
import uuid
from typing import Any

import pytest

from tests.bridge.conftest import MakeBridge
from tests.clients import attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", "INVALID_JSON"),
        ("", "INVALID_JSON"),
        ("\n", "INVALID_JSON"),
        ("[]", "INVALID_JSON"),
        ('[{"type":"ping"}]', "INVALID_JSON"),
        ('"ping"', "INVALID_JSON"),
        ("null", "INVALID_JSON"),
        (b'{"type":"ping"}', "INVALID_MESSAGE"),
    ],
)
async def test_a_frame_that_is_no_messages_gets_an_error_and_4400(
    bridge: ServerProcess, frame: str | bytes, code: str
) -> None:
    async with attached(bridge, "pulse") as client:
        await client.raw(frame)
        error = await client.next()
        assert (error["type"], error["code"], error["retryable"]) == ("error", code, False)
        assert await client.close_code() == 4400


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "dance"}, "UNKNOWN_TYPE"),
        ({"type": "call", "op": "read"}, "INVALID_MESSAGE"),
        ({}, "INVALID_MESSAGE"),
        ({"type": 7}, "INVALID_MESSAGE"),
        ({"type": "emit"}, "INVALID_MESSAGE"),
        ({"type": "emit", "event": 7}, "INVALID_MESSAGE"),
        ({"type": "emit", "event": "a:b", "ack": "yes"}, "INVALID_MESSAGE"),
        ({"type": "emit", "event": "a:b", "target": 7}, "INVALID_MESSAGE"),
        ({"type": "emit", "event": "a:b", "meta": []}, "INVALID_MESSAGE"),
        ({"type": "emit", "event": "created"}, "INVALID_EVENT"),
        ({"type": "emit", "event": "post:"}, "INVALID_EVENT"),
        ({"type": "emit", "event": "post:*"}, "INVALID_EVENT"),
        ({"type": "emit", "event": 'a:b","source":"x'}, "INVALID_EVENT"),
        ({"type": "emit", "event": "a:" + "b" * 127}, "INVALID_EVENT"),
        ({"type": "emit", "event": "a:b", "target": "nobody"}, "UNKNOWN_TARGET"),
        ({"type": "emit", "event": "a:b", "target": []}, "UNKNOWN_TARGET"),
        ({"type": "emit", "event": "a:b", "target": ["herald", "nobody"]}, "UNKNOWN_TARGET"),
        ({"type": "emit", "event": "a:b", "data": "x" * (256 * 1024 - 1)}, "DATA_TOO_LARGE"),
        ({"type": "emit", "event": "a:b", "meta": {"x": "x" * 256 * 1024}}, "DATA_TOO_LARGE"),
        ({"type": "subscribe", "events": []}, "INVALID_MESSAGE"),
        ({"type": "subscribe", "events": "a:b"}, "INVALID_MESSAGE"),
        ({"type": "subscribe", "events": ["a"]}, "INVALID_PATTERN"),
        ({"type": "subscribe", "events": ["a:b"], "since": {"broadcast": "now"}}, "INVALID_POSITION"),
        ({"type": "subscribe", "events": ["a:b"], "since": {"exprsn-ca": "0-0"}}, "INVALID_MESSAGE"),
        ({"type": "subscribe", "events": ["a:b"], "group": "no/slashes"}, "INVALID_GROUP"),
        ({"type": "subscribe", "events": ["a:b"], "where": {"$equals": [1, 1]}}, "JSONLEX_INVALID"),
        ({"type": "subscribe", "events": [f"a:b{n}" for n in range(257)]}, "TOO_MANY_SUBSCRIPTIONS"),
        ({"type": "auth", "token": "again"}, "TOKEN_INVALID"),
    ],
    ids=lambda value: json.dumps(value)[:60] if isinstance(value, dict) else value,
)
async def test_a_message_that_is_wrong_gets_an_error_with_its_id_and_the_socket_stays(
    bridge: ServerProcess, message: dict[str, Any], code: str
) -> None:
    async with attached(bridge, "pulse") as client:
        error = await client.ask(**message)
        assert (error["type"], error["code"], error["retryable"]) == ("error", code, False)
        assert error["message"]
        assert await client.is_well()


@pytest.mark.parametrize("request_id", [7, "", "x" * 65, None])
async def test_an_id_that_is_none_is_not_repeated(bridge: ServerProcess, request_id: Any) -> None:
    """A wrong id makes the message wrong; an error without an id answers it. An emit with ack needs one."""
    async with attached(bridge, "pulse") as client:
        await client.say({"type": "emit", "event": "a:b", "ack": True, "id": request_id})
        error = await client.next()
        assert (error["type"], error["code"]) == ("error", "INVALID_MESSAGE")
        assert error.get("id") is None
        assert await client.is_well()


async def test_the_good_messages_of_a_frame_are_carried_out_beside_a_wrong_one(bridge: ServerProcess) -> None:
    async with attached(bridge, "pulse") as client:
        await client.say({"type": "ping", "id": "1"}, {"type": "dance", "id": "2"}, {"type": "ping", "id": "3"})
        answers = [await client.next() for _ in range(3)]
        assert [(answer["type"], answer["id"]) for answer in answers] == [("pong", "1"), ("error", "2"), ("pong", "3")]


async def test_a_frame_over_the_limit_gets_an_error_and_4413(bridge: ServerProcess) -> None:
    """1 MiB is taken, one byte more is not; bytes count, not characters."""
    padding = 1024 * 1024 - len('{"type":"ping","id":"x","x":""}')
    async with attached(bridge, "pulse") as client:
        await client.raw('{"type":"ping","id":"x","x":"' + "y" * padding + '"}')
        assert (await client.next())["type"] == "pong"
        await client.raw('{"type":"ping","id":"x","x":"' + "y" * (padding - 1) + 'ü"}')
        error = await client.next()
        assert (error["code"], error["details"]) == ("FRAME_TOO_LARGE", {"limit": 1_048_576})
        assert await client.close_code() == 4413


async def test_more_than_512_messages_get_an_error_and_4413(bridge: ServerProcess) -> None:
    """512 are taken."""
    async with attached(bridge, "pulse") as client:
        await client.say(*[{"type": "ping"}] * 512)
        assert [(await client.next())["type"] for _ in range(512)] == ["pong"] * 512
        await client.say(*[{"type": "ping"}] * 513)
        assert (await client.next())["code"] == "FRAME_TOO_LARGE"
        assert await client.close_code() == 4413


async def test_an_event_arrives_with_all_that_was_sent(bridge: ServerProcess) -> None:
    """The answer's position is the event's, the source is who sent it, ``type`` is first, and the data is untouched."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    data = {"text": "ünï\u2028 \n \t 💛", "number": 1.50, "nested": [{"a": None}]}
    async with attached(bridge, "herald", "demo:*") as herald, attached(bridge, "timeline") as timeline:
        ok = await timeline.ask(
            type="emit", event="demo:full", data=data, target="herald", meta={"k": 1}, traceparent=trace, ack=True
        )
        event = await herald.event()
    assert next(iter(event)) == "type"
    assert {name: value for name, value in event.items() if name not in {"id", "ts"}} == {
        "type": "event",
        "event": "demo:full",
        "source": "exprsn-timeline",
        "target": "exprsn-herald",
        "data": data,
        "meta": {"k": 1},
        "traceparent": trace,
        "log": "exprsn-herald",
        "position": ok["position"],
    }
    assert ok["positions"] == {"exprsn-herald": ok["position"]}


async def test_an_event_goes_to_whom_it_is_for(bridge: ServerProcess) -> None:
    """To every session of the target; a broadcast to all; nobody hears what it did not subscribe to."""
    async with (
        attached(bridge, "vault", "who:*") as one,
        attached(bridge, "vault", "who:*") as two,
        attached(bridge, "nexus", "who:all") as other,
        attached(bridge, "nexus") as deaf,
    ):
        for event, target in (
            ("who:first", "vault"),
            ("who:both", ["vault", "exprsn-nexus"]),
            ("who:all", "broadcast"),
        ):
            await deaf.ask(type="emit", event=event, target=target, ack=True)
        await deaf.ask(type="emit", event="who:all", data="last", ack=True)
        for vault in (one, two):
            heard = [event["event"] for event in await vault.events(4)]
            # Two logs, each in order.
            assert sorted(heard) == ["who:all", "who:all", "who:both", "who:first"]
            assert [name for name in heard if name != "who:all"] == ["who:first", "who:both"]
        assert [event["data"] for event in await other.events(2)] == [None, "last"]
        assert await deaf.is_well()
        assert not [message for message in deaf._kept if message["type"] == "event"]


async def test_an_id_that_was_used_is_dropped_and_answered_with_the_first_position(bridge: ServerProcess) -> None:
    async with attached(bridge, "svr", "once:*") as client:
        once = uuid.uuid4().hex
        answers = [await client.ask(type="emit", event="once:done", id=once, ack=True, data=n) for n in range(3)]
        await client.ask(type="emit", event="once:done", ack=True, data="end")
        assert [event["data"] for event in await client.events(2)] == [0, "end"]
        assert len({answer["position"] for answer in answers}) == 1


async def test_what_is_taken_back_is_not_heard_any_more(bridge: ServerProcess) -> None:
    async with attached(bridge, "gallery", "take:*", "keep:*") as client:
        assert (await client.ask(type="unsubscribe", events=["take:*", "never:had"]))["type"] == "ok"
        await client.ask(type="emit", event="take:one", ack=True)
        await client.ask(type="emit", event="keep:one", ack=True)
        assert (await client.event())["event"] == "keep:one"


async def test_a_session_resumes_from_a_position_and_misses_nothing(bridge: ServerProcess) -> None:
    async with attached(bridge, "live", "resume:*") as client:
        first = await client.ask(type="emit", event="resume:one", target="live", data=0, ack=True)
        assert (await client.event())["data"] == 0
        for number in range(1, 250):
            await client.say({"type": "emit", "event": "resume:one", "target": "live", "data": number})
        await client.ask(type="emit", event="other:one", target="live", ack=True)
    async with attached(bridge, "live") as client:
        ok = await client.ask(type="subscribe", events=["resume:*"], since={"exprsn-live": first["position"]})
        assert (ok["recovered"], ok["positions"]["exprsn-live"]) == (True, first["position"])
        assert [event["data"] for event in await client.events(249)] == list(range(1, 250))
        await client.ask(type="emit", event="resume:one", target="live", data="now", ack=True)
        assert (await client.event())["data"] == "now"


async def test_a_position_that_never_was_is_not_recovered(bridge: ServerProcess) -> None:
    async with attached(bridge, "live") as client:
        await client.ask(type="emit", event="a:b", target="live", ack=True)
        ok = await client.ask(type="subscribe", events=["a:b"], since={"exprsn-live": "99999999999999-0"})
        assert (ok["recovered"], ok["reasons"]) == (False, {"exprsn-live": "unknown_position"})


async def test_heartbeats_that_are_not_answered_end_the_session_with_4429(
    make_bridge: MakeBridge, bridge_valkey: Any
) -> None:
    """One that answers them stays; the heartbeat says up to where everything was sent."""
    with make_bridge(bridge_valkey.url, IPC_HEARTBEAT="600") as bridge:
        async with attached(bridge, "herald", "a:b") as answering, attached(bridge, "herald", "a:b") as silent:
            closing = asyncio.create_task(silent.close_code())
            position = (await answering.ask(type="emit", event="a:b", target="herald", ack=True))["position"]
            while not closing.done():
                ping = await answering.hear(lambda message: message["type"] == "ping")
                await answering.say({"type": "pong", "sent": ping["sent"]})
            assert await closing == 4429
            assert ping["positions"]["exprsn-herald"] == position
            assert await answering.is_well()
    assert "Traceback" not in bridge.output()
