"""The marks of operators: put on without touching the rest of a message, and by nobody else."""

import json
from typing import Any

import msgspec
import pytest

from ipc.hub.emitting import event_frame
from ipc.protocol.frames import closed
from ipc.protocol.limits import Limits
from ipc.protocol.marks import edited, once_key, replayed
from ipc.protocol.messages import Emit, Event, ReplayMark

FRAME = (
    '{"type":"event","id":"e\\"1","event":"post:created","source":"exprsn-timeline","target":["exprsn-herald","exprsn-spark"],'
    '"ts":5,"data":{"n":1.0,"big":12345678901234567890123},"meta":{"replay":1,"edited":2},"traceparent":"00-1-2-3"'
)
REST = ',"log":"exprsn-herald/notify","position":"1-0","group":"notify","delivery":"1","attempt":1}'


def told(frame: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(closed(frame))
    return found


def test_a_replay_is_said_beside_the_rest() -> None:
    frame = replayed(FRAME, ReplayMark(id="r1"))
    assert told(frame) == {**told(FRAME), "replay": {"id": "r1"}}
    event = msgspec.json.decode(f"{frame}{REST}", type=Event)
    assert (event.replay, event.meta) == (ReplayMark(id="r1"), {"replay": 1, "edited": 2})
    assert told(replayed(FRAME, ReplayMark(id="r1", again=True)))["replay"] == {"id": "r1", "again": True}


@pytest.mark.parametrize("data", ["null", '"x\\n\\ud83d\\ude00"', '{"a": [1, {"b": "}"}]}', "1e3"])
def test_other_data_leave_the_rest_as_it_is(data: str) -> None:
    frame = edited(FRAME, data, 'operator "7"')
    assert told(frame) == {**told(FRAME), "data": json.loads(data), "edited": 'operator "7"'}
    assert "\n" not in frame
    assert next(iter(told(frame))) == "type"
    assert msgspec.json.decode(f"{frame}{REST}", type=Event).edited == 'operator "7"'


def test_numbers_that_no_float_holds_stay_as_they_were_written() -> None:
    frame = edited(FRAME.replace('"meta":{', '"meta":{"big":12345678901234567890123,'), "1.50", "x")
    assert '"big":12345678901234567890123' in frame
    assert '"data":1.50' in frame


def test_the_last_who_has_edited_is_the_one_who_is_named() -> None:
    frame = edited(replayed(edited(FRAME, "1", "one"), ReplayMark(id="r")), "2", "two")
    assert (told(frame)["edited"], told(frame)["data"], told(frame)["replay"]) == ("two", 2, {"id": "r"})
    assert frame.count('"edited":') == 2  # its own, and the one in the meta


def test_only_a_replay_that_is_to_be_handled_again_is_another_event() -> None:
    assert once_key("s", "e", None) == once_key("s", "e", ReplayMark(id="r")) == "s/e"
    keys = {once_key("s", "e", ReplayMark(id=name, again=True)) for name in ("r1", "r2")}
    assert keys == {"s/e r1", "s/e r2"}


def test_an_emitter_cannot_make_a_mark() -> None:
    text = '{"type":"emit","event":"a:b","data":1,"replay":{"id":"mine"},"edited":"operator 1"}'
    message = msgspec.json.decode(text, type=Emit)
    frame = event_frame(message, '"broadcast"', "e1", "exprsn-spark", 5, Limits())
    assert told(frame).keys() == {"type", "id", "event", "source", "target", "ts", "data"}
