"""What the hub says becomes arguments of listeners and callbacks, made once for all sockets of a process."""

import json
from typing import Any

import msgspec
import pytest

from bridge.doors.socketio import telling
from bridge.doors.socketio.asking import asked_emit
from bridge.doors.socketio.telling import EventBodies
from ipc.protocol import codec
from ipc.protocol.delivery_status import EventStatus
from ipc.protocol.messages import CallError, Error, Event, Notice, Ok, ServerCall


def event(**members: Any) -> Event:
    given: dict[str, Any] = {
        "id": "e1", "event": "post:created", "source": "exprsn-ca", "target": "broadcast", "ts": 5,
        "data": msgspec.Raw(b'{"n":1.50}'), "log": "broadcast", "position": "5-0",
    }  # fmt: skip
    return Event(**{**given, **members})


def test_an_event_has_its_data_as_it_came_and_then_what_there_is_to_know() -> None:
    body = telling.event_body(event())
    assert body.startswith('["post:created",{"n":1.50},')
    assert json.loads(body)[2] == {
        "id": "e1", "source": "exprsn-ca", "target": "broadcast", "position": "5-0", "timestamp": 5, "log": "broadcast",
    }  # fmt: skip
    about = json.loads(telling.event_body(event(meta={"a_b": 1}, group="g", delivery="7", attempt=2)))[2]
    assert (about["meta"], about["group"], about["delivery"], about["attempt"]) == ({"a_b": 1}, "g", "7", 2)


@pytest.mark.parametrize("name", ["ipc:welcome", "ipc:call", "ipc:new:one"])
def test_an_event_is_never_one_of_the_doors_own(name: str) -> None:
    said, _, about = json.loads(telling.event_body(event(event=name)))
    assert (said, about["event"]) == ("ipc:event", name)


def test_bodies_are_made_once_and_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_MAX_KEPT_BYTES", 2_000)
    bodies = EventBodies()
    line = codec.encode(event())
    assert bodies.of(line) is bodies.of(line)
    first = bodies.of(line)
    for number in range(50):
        bodies.of(codec.encode(event(id=f"other {number}")))
    assert bodies._size < 4_000
    assert bodies.of(line) == first


def test_what_a_service_has_said_keeps_its_names() -> None:
    """Names of ours become camelCase; those in results, states and data are the service's own."""
    status = EventStatus(id="e", event=None, source=None, target=None, ts=None, logs=[], groups=[], asked_ms=5)
    ok = Ok(id="r", status=status, result={"a_b": 1}, value={"c_d": 2}, has_more=True, positions={"exprsn-ca": "1-0"})
    told = telling.answer_of(ok)
    assert (told["result"], told["value"], told["hasMore"]) == ({"a_b": 1}, {"c_d": 2}, True)
    assert told["status"]["askedMs"] == 5
    assert told["positions"] == {"exprsn-ca": "1-0"}
    assert "id" not in told


def test_a_failure_has_its_code_and_whether_to_try_again() -> None:
    error = Error(code="TIMEOUT", message="late", retryable=True, retry_after_ms=5, details={"a_b": 1})
    assert telling.failed(error) == {
        "error": "TIMEOUT", "message": "late", "retryable": True, "retryAfterMs": 5, "details": {"a_b": 1},
    }  # fmt: skip
    assert telling.failed(CallError(code="OWN", message="m")) == {"error": "OWN", "message": "m", "retryable": False}


def test_an_ack_repeats_what_was_asked() -> None:
    asked = asked_emit(msgspec.Raw(b'{"event":"a:b","target":["spark","ca"]}'))
    line = codec.encode(Ok(id='"r\\', position="1-0", duplicate=True))
    assert telling.answered_id(line) == '"r\\'
    assert json.loads("{" + telling.emit_answer(asked, line)) == {
        "event": "a:b", "target": ["spark", "ca"], "id": '"r\\', "position": "1-0", "duplicate": True,
    }  # fmt: skip


def test_notices_and_calls_are_in_camel_case() -> None:
    assert json.loads(telling.notice_body(Notice(notice="draining", retry_after_ms=5))) == [
        "ipc:notice", {"notice": "draining", "retryAfterMs": 5},
    ]  # fmt: skip
    assert json.loads(telling.notice_body(Notice(notice="cancelled", operation="o1"))) == [
        "ipc:notice", {"notice": "cancelled", "operation": "o1"},
    ]  # fmt: skip
    call = ServerCall(id="c", op="read", resource="posts", data=msgspec.Raw(b'{"a_b":1}'), source="s", deadline_ms=5)
    assert json.loads(telling.call_body(call)) == [
        "ipc:call",
        {"id": "c", "op": "read", "resource": "posts", "data": {"a_b": 1}, "source": "s", "deadlineMs": 5,
         "jsonlex": False},
    ]  # fmt: skip
