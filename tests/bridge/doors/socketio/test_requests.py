"""Answers find who has asked, in the order of asking."""

import msgspec

from bridge.doors.socketio.asking import asked_emit
from bridge.doors.socketio.requests import Asked, Requests

EMIT = asked_emit(msgspec.Raw(b'{"event":"a:b"}'))


def test_requests_of_one_id_are_answered_in_their_order_and_forgotten() -> None:
    """Two emits with one id are one event, and both are answered."""
    requests = Requests()
    requests.expect("r", Asked("ipc:emit", 1, EMIT))
    requests.expect("r", Asked("ipc:emit", None, EMIT))
    assert requests.emit_answered("r") == (EMIT, 1)
    assert requests.answered("r") == Asked("ipc:emit", None, EMIT)
    assert "r" not in requests
    assert (requests.answered("r"), requests.emit_answered("r")) == (None, None)


def test_only_an_emit_is_answered_as_one() -> None:
    requests = Requests()
    requests.expect("r", Asked("ipc:read", 1))
    assert requests.emit_answered("r") is None
    assert requests.emit_answered(None) is None
    assert requests.answered(None) is None
    assert requests.answered("r") == Asked("ipc:read", 1)
