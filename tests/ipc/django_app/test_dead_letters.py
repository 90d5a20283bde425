"""How a dead letter is shown."""

from ipc.django_app.dead_letters import letter_detail, letter_line, one_line
from ipc.stores.dead_letter import Buried
from ipc.stores.dead_letter_filter import LetterId
from tests.ipc.stores.test_dead_letters import letter

BURIED = Buried(LetterId("exprsn-herald", "notify", "3-0"), letter(last_ms=1_795_445_282_363))


def test_the_line_says_what_when_and_why() -> None:
    assert letter_line(BURIED) == (
        "exprsn-herald/notify/3-0  2026-11-23 14:48:02Z  post:created e1  3x  ValueError: no"
    )


def test_an_error_cannot_write_on_the_terminal() -> None:
    assert one_line("a\x1b[2J\nb") == "a [2J b"
    assert one_line("x" * 200, length=5) == "xxxx…"


def test_the_detail_has_the_event_and_what_became_of_it() -> None:
    assert letter_detail(BURIED) == {
        "id": "exprsn-herald/notify/3-0",
        "service": "exprsn-herald",
        "group": "notify",
        "event": "post:created",
        "eventId": "e1",
        "source": "exprsn-timeline",
        "target": "broadcast",
        "ts": 1_795_445_282_363,
        "log": "broadcast",
        "position": "5-0",
        "error": "ValueError: no",
        "traceback": "Traceback …",
        "attempts": 3,
        "firstAt": 1_000,
        "lastAt": 1_795_445_282_363,
        "instance": "exprsn-herald:01",
        "data": {"n": 1},
        "meta": {"a": "b"},
    }
