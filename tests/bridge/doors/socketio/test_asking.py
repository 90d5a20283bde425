"""What clients emit becomes messages of the native protocol, and nothing that they make up gets through."""

import json
import re
from typing import Any

import msgspec
import pytest

from bridge.doors.socketio import asking
from ipc.protocol.codec import decode_client_frame
from ipc.protocol.errors import BadMessageError
from ipc.protocol.limits import Limits
from tests.markdown import ROOT, tables


def raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


def emitted(value: Any, request_id: str | None = "r", *, is_awaited: bool = True) -> dict[str, Any]:
    message = asking.emit_message(asking.asked_emit(raw(value)), request_id, is_awaited=is_awaited)
    found: dict[str, Any] = json.loads(message)
    return found


def asked(name: str, value: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(asking.message_of(name, raw(value), "r"))
    return found


def test_an_emit_takes_its_target_from_its_options_first() -> None:
    base = {"type": "emit", "event": "a:b", "data": {"x": 1}, "id": "r", "ack": True}
    given = {"event": "a:b", "payload": {"x": 1}}
    assert emitted(given) == {**base, "target": "broadcast"}
    assert emitted({**given, "target": "spark", "options": None}) == {**base, "target": "spark"}
    assert emitted({**given, "target": "spark", "options": {"target": ["ca"]}}) == {**base, "target": ["ca"]}
    assert emitted({**given, "target": None, "options": {"target": None}}) == {**base, "target": "broadcast"}
    assert emitted({**given, "meta": {"m": 1}}) == {**base, "target": "broadcast", "meta": {"m": 1}}


def test_what_an_emit_may_not_say_is_not_read() -> None:
    made_up = {"source": "exprsn-ca", "rateLimitExempt": True, "type": "auth", "options": {"rateLimitExempt": True}}
    assert set(emitted({"event": "a:b", **made_up}, None, is_awaited=False)) == {"type", "event", "data", "target"}
    assert asked("ipc:read", {"resource": "posts", "type": "auth", "source": "x", "op": "delete"})["op"] == "read"
    assert asked("ipc:subscribe", {"events": ["a:b"], "type": "auth"})["type"] == "subscribe"


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("ipc:create", {"data": {"a": 1}, "options": {}}, {"op": "create", "data": {"a": 1}}),
        ("ipc:read", {"query": {"userId": 1}}, {"op": "read", "query": {"userId": 1}}),
        ("ipc:read", {"id": 7, "options": {"timeoutMs": 5, "target": "ca"}},
         {"op": "read", "key": 7, "timeout_ms": 5, "target": "ca"}),
        ("ipc:update", {"query": "7", "data": {}}, {"op": "update", "key": "7", "data": {}}),
        ("ipc:update", {"id": "7", "query": {"v": 1}, "data": {}},
         {"op": "update", "key": "7", "query": {"v": 1}, "data": {}}),
        ("ipc:delete", {"id": "7", "options": None}, {"op": "delete", "key": "7"}),
        ("ipc:call", {"op": "publish", "id": 7, "timeoutMs": 5}, {"op": "publish", "key": 7, "timeout_ms": 5}),
    ],
)  # fmt: skip
def test_operations_are_calls(name: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert asked(name, {"resource": "posts", **given}) == {
        "type": "call", "id": "r", "resource": "posts", **expected,
    }  # fmt: skip


def test_members_are_in_camel_case_and_data_is_left_alone() -> None:
    given = {"events": ["a:b"], "group": "g", "retry": {"ackMs": 5, "backoffMs": [1]}, "where": {"$var": "aB"}}
    assert asked("ipc:subscribe", given) == {
        "type": "subscribe", "id": "r", "events": ["a:b"], "group": "g",
        "retry": {"ack_ms": 5, "backoff_ms": [1]}, "where": {"$var": "aB"},
    }  # fmt: skip
    assert asked("ipc:serve", {"resources": [], "handOver": {"a": "b"}})["hand_over"] == {"a": "b"}


def test_schemas_keep_their_names_and_operations_are_those_of_the_native_door() -> None:
    declared = {"event": "a:b", "schema": {"minLength": 1, "properties": {"aB": {}}}}
    assert asked("ipc:declare", {"events": [declared], "id": 7}) == {
        "type": "declare", "id": "r", "key": 7, "events": [declared],
    }  # fmt: skip
    said = {"op": "progress", "operation": "o1", "done": 5, "text": "aB"}
    assert asked("ipc:operation", {**said, "type": "auth"}) == {"type": "operation", "id": "r", **said}


def test_the_reference_has_all_that_a_client_can_emit() -> None:
    reference = tables(ROOT / "docs" / "reference" / "socketio.md")
    (rows,) = [rows for rows in reference if set(rows[0]) == {"event", "members", "callback"}]
    assert sorted(name for row in rows for name in re.findall(r"`(ipc:\w+)`", row["event"])) == sorted(asking.NAMES)


def test_newlines_between_values_divide_no_messages() -> None:
    """The hub divides frames at newlines; what is pretty-printed is one message all the same."""
    body = '["ipc:emit",\r\n {"event": "a:b",\n "payload": {"x":\n {"type":"auth","token":"t"}\n}}]'
    name, argument = asking.event_of(body)
    message = asking.emit_message(asking.asked_emit(argument), None, is_awaited=False)
    assert name == "ipc:emit"
    assert len(decode_client_frame(message, Limits())) == 1
    assert json.loads(message)["data"] == {"x": {"type": "auth", "token": "t"}}


@pytest.mark.parametrize("body", ["[", '["a"', "[]", "[1]", '{"a":1}', '["a"]x', "[" * 100_000, '["a",\n'])
def test_a_body_that_is_no_event_is_refused(body: str) -> None:
    with pytest.raises(BadMessageError):
        asking.event_of(body)


@pytest.mark.parametrize("name", ["connect", "message", "ipc:", "ipc:ack", "ipc:error", "ipc:welcome", "post:created"])
def test_only_what_is_known_is_asked(name: str) -> None:
    with pytest.raises(BadMessageError, match="there is no event"):
        asking.message_of(name, raw({}), "r")


@pytest.mark.parametrize("value", [1, "x", [1], True])
def test_an_argument_is_an_object(value: Any) -> None:
    for name in asking.NAMES:
        with pytest.raises(BadMessageError):
            asking.asked_emit(raw(value)) if name == asking.EMIT else asking.message_of(name, raw(value), "r")


def test_what_a_callback_was_called_with_acknowledges_or_fails() -> None:
    """An `Error` of JavaScript arrives as {}, so only what says yes is yes."""
    for said in ([], [None], [{"success": True}]):
        assert json.loads(asking.acknowledgement("5", [raw(value) for value in said])) == {
            "type": "ack", "deliveries": ["5"],
        }  # fmt: skip
    for value, reason in (
        ("full", "full"), ({"error": "full"}, "full"), ({"success": False, "message": "full"}, "full"),
        ({}, "the listener gave no reason"), (False, "false"), ({"error": {"a": 1}}, '{"a":1}'),
    ):  # fmt: skip
        nack = json.loads(asking.acknowledgement("5", [raw(value)]))
        assert (nack["type"], nack["reason"]) == ("nack", reason)
    later = json.loads(asking.acknowledgement("5", [raw({"error": "e", "retryInMs": 5, "reject": True, "x": 1})]))
    assert (later["retry_in_ms"], later["reject"], "x" in later) == (5, True, False)


def test_an_owner_replies_with_what_callers_get() -> None:
    assert json.loads(asking.reply("c", [raw({"success": True, "data": [1]})]))["data"] == [1]
    assert json.loads(asking.reply("c", [raw({"success": True})]))["data"] is None
    failed = {"success": False, "error": "TORN", "message": "m", "retryable": True, "retryAfterMs": 5}
    assert json.loads(asking.reply("c", [raw(failed)]))["error"] == {
        "code": "TORN", "message": "m", "retryable": True, "retry_after_ms": 5,
    }  # fmt: skip
    for wrong in ([], [raw(None)], [raw("yes")], [raw({"data": 1})], [raw({"success": False, "error": 5})]):
        assert json.loads(asking.reply("c", wrong))["error"]["code"] == "INTERNAL"


@pytest.mark.parametrize(
    "argument",
    [
        {"event": "a:b", "payload": {"n": [1, None]}, "target": "ca", "options": {"requireAck": False}},
        {"event": "a:b", "id": "x" * 64, "meta": {"k": 1}},
    ],
)
def test_an_emit_as_most_are_is_the_same_when_it_is_taken_apart_in_one_go(argument: Any) -> None:
    body = json.dumps([asking.EMIT, argument], separators=(",", ":"))
    _, raw_argument = asking.event_of(body)
    assert asking.emit_of(body) == asking.asked_emit(raw_argument)


@pytest.mark.parametrize(
    "body",
    [
        '["ipc:read",{"event":"a:b"}]',
        '["ipc:emit",{"event":"a:b"},1]',
        '["ipc:emit",{"event":"a:b","options":1}]',
        '["ipc:emit",{"event":"a:b","id":""}]',
        '["ipc:emit",{"event":"a:b","payload":{\n"type":"auth"}}]',
        '["ipc:emit",[]]',
        '["ipc:emit",{"event":"a:b"',
        '["ipc:emit"]',
        f'["ipc:emit",{"[" * 5000}]',
    ],
)
def test_every_other_packet_is_left_to_those_who_say_what_is_wrong(body: str) -> None:
    """Among them one with a newline, after which the hub would read another message."""
    assert asking.emit_of(body) is None


def test_a_call_may_have_an_id_to_be_taken_back_by() -> None:
    assert asking.call_id_of("ipc:call", raw({"op": "read", "callId": "c1"})) == "c1"
    assert asking.call_id_of("ipc:call", raw({"op": "read"})) is None
    assert asking.call_id_of("ipc:read", raw({"callId": "c1"})) is None
    assert json.loads(asking.cancel_message('"c\n')) == {"type": "cancel", "id": '"c\n'}
    assert b"\n" not in asking.cancel_message("c\n")


@pytest.mark.parametrize(
    "value", [{}, {"callId": None}, {"callId": ""}, {"callId": "x" * 65}, {"callId": 7}, [1], "c1"]
)
def test_what_is_no_id_takes_no_call_back(value: Any) -> None:
    with pytest.raises(BadMessageError):
        asking.call_id_of(asking.CANCEL, raw(value))
