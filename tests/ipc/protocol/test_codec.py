"""Frames taken apart and put together: what is refused, with which code, and what never reaches a subscriber."""

import json
import math
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError, UnavailableError
from ipc.protocol.limits import Limits
from ipc.protocol.messages import AnyClientMessage, Emit, Event, Ok, Ping, Pong, ServerPong, Subscribe

LIMITS = Limits()


def decode(frame: str | bytes, limits: Limits = LIMITS) -> list[AnyClientMessage | codec.Refused]:
    return codec.decode_client_frame(frame, limits)


def test_a_frame_has_its_messages_in_order() -> None:
    frame = '{"type":"ping","id":"1"}\n{"type":"emit","event":"a:b"}\n\n{"type":"pong","sent":7}\n'
    assert decode(frame) == [Ping(id="1"), Emit(event="a:b"), Pong(sent=7)]


def test_members_that_are_not_known_are_ignored() -> None:
    assert decode('{"type":"ping","id":"1","colour":{"red":[1,2]}}') == [Ping(id="1")]


@pytest.mark.parametrize(
    "frame", ["x", "{", '{"type":"ping"', '{"type":"ping"},{"type":"ping"}', "[1]", "1", '"a"', "", "\n"]
)
def test_a_frame_without_boundaries_is_refused_as_a_whole(frame: str) -> None:
    """Where messages cannot be told apart, nothing in the frame can be trusted."""
    with pytest.raises(codec.FrameError) as refused:
        decode(frame)
    assert refused.value.code is ErrorCode.INVALID_JSON


@pytest.mark.parametrize(
    "frame",
    [
        b'{"type":"emit","event":"\xff"}',
        b'{"type":"nope"}\n{"type":"emit","event":"\xff"}',
        b'{"type":"nope","id":"\xff"}',
        b'{"type":"emit","event":5,"id":"\xff"}',
        '{"type":"emit","event":"\ud800"}',
        '{"type":"nope"}\n{"type":"emit","event":"\ud800"}',
    ],
)
def test_text_that_is_no_utf8_is_refused(frame: str | bytes) -> None:
    """Wherever it stands, also behind a message that is wrong by itself."""
    with pytest.raises(codec.FrameError) as refused:
        decode(frame)
    assert refused.value.code is ErrorCode.INVALID_JSON


def test_long_text_that_is_no_utf8_is_refused_before_it_is_measured() -> None:
    with pytest.raises(codec.FrameError) as refused:
        decode("\ud800" * LIMITS.frame_bytes)
    assert refused.value.code is ErrorCode.INVALID_JSON


@pytest.mark.parametrize("depth", [2_000, 100_000])
def test_deep_nesting_is_refused_without_a_crash(depth: int) -> None:
    with pytest.raises(codec.FrameError):
        decode("[" * depth + "]" * depth)
    with pytest.raises(codec.FrameError):
        decode('{"type":"nope","x":' + "[" * depth + "]" * depth + "}")


@pytest.mark.parametrize(
    ("message", "code", "says"),
    [
        ('{"type":"shout","id":"7"}', ErrorCode.UNKNOWN_TYPE, "no message type 'shout'"),
        ('{"type":"welcome","id":"7"}', ErrorCode.UNKNOWN_TYPE, "no message type 'welcome'"),
        ('{"id":"7"}', ErrorCode.INVALID_MESSAGE, "type"),
        ('{"type":null,"id":"7"}', ErrorCode.INVALID_MESSAGE, "type"),
        ('{"type":"emit","id":"7"}', ErrorCode.INVALID_MESSAGE, "event"),
        ('{"type":"emit","id":"7","event":5}', ErrorCode.INVALID_MESSAGE, "$.event"),
        ('{"type":"emit","id":"7","event":"a:b","target":{}}', ErrorCode.INVALID_MESSAGE, "$.target"),
        ('{"type":"emit","id":"7","event":"a:b","ack":"yes"}', ErrorCode.INVALID_MESSAGE, "$.ack"),
        ('{"type":"subscribe","id":"7","events":[]}', ErrorCode.INVALID_MESSAGE, "$.events"),
        ('{"type":"subscribe","id":"7","events":"a:b"}', ErrorCode.INVALID_MESSAGE, "$.events"),
        (
            '{"type":"subscribe","id":"7","events":["a:b"],"since":{"broadcast":5}}',
            ErrorCode.INVALID_MESSAGE,
            "$.since",
        ),
        ('{"type":"unsubscribe","id":"7"}', ErrorCode.INVALID_MESSAGE, "events"),
        ('{"type":"auth","id":"7","token":""}', ErrorCode.INVALID_MESSAGE, "$.token"),
        ('{"type":"pong","id":"7","sent":"many"}', ErrorCode.INVALID_MESSAGE, "$.sent"),
        ('{"type":"pong","id":"7","sent":' + "9" * 5000 + "}", ErrorCode.INVALID_MESSAGE, "$.sent"),
    ],
)
def test_a_message_that_is_wrong_by_itself_is_refused_alone(message: str, code: ErrorCode, says: str) -> None:
    """Its neighbours in the frame are carried out, and its refusal repeats its id."""
    before, refused, after = decode(f'{{"type":"ping","id":"1"}}\n{message}\n{{"type":"ping","id":"2"}}')
    assert (before, after) == (Ping(id="1"), Ping(id="2"))
    assert isinstance(refused, codec.Refused)
    assert (refused.id, refused.error.code) == ("7", code)
    assert says in refused.error.message


@pytest.mark.parametrize("request_id", ['""', "5", "null", f'"{"x" * 65}"', "{}"])
def test_an_id_that_is_none_is_not_repeated(request_id: str) -> None:
    (refused,) = decode(f'{{"type":"emit","id":{request_id}}}')
    assert isinstance(refused, codec.Refused)
    assert refused.id is None


def test_a_type_of_any_length_is_named_in_part() -> None:
    (refused,) = decode(json.dumps({"type": "x" * 100_000}))
    assert isinstance(refused, codec.Refused)
    assert len(refused.error.message) < 300


def test_a_frame_of_too_many_bytes_is_refused() -> None:
    """The limit is in bytes of UTF-8, whether the frame is text or bytes."""
    limits = replace(LIMITS, frame_bytes=64)
    head, tail = '{"type":"ping","x":"', '"}'
    fits = head + "é" * ((64 - len(head) - len(tail)) // 2) + tail
    assert len(fits.encode()) in {63, 64}
    assert decode(fits, limits) == decode(fits.encode(), limits) == [Ping()]
    for too_large in (fits.replace("é", "ééé", 1), fits.replace("é", "ééé", 1).encode(), " " * 65):
        with pytest.raises(codec.FrameError) as refused:
            decode(too_large, limits)
        assert (refused.value.code, refused.value.details) == (ErrorCode.FRAME_TOO_LARGE, {"limit": 64})


@pytest.mark.parametrize("message", ['{"type":"ping"}', '{"type":"nope"}'])
def test_a_frame_of_too_many_messages_is_refused(message: str) -> None:
    limits = replace(LIMITS, messages_per_frame=3)
    assert len(decode("\n".join([message] * 3), limits)) == 3
    with pytest.raises(codec.FrameError) as refused:
        decode("\n".join([message] * 4), limits)
    assert (refused.value.code, refused.value.details) == (ErrorCode.FRAME_TOO_LARGE, {"limit": 3})


def test_data_stays_as_it_was_written() -> None:
    """The bridge neither reorders nor rewrites what it only carries."""
    (emit,) = decode('{"type":"emit","event":"a:b","data":{ "b":1.0, "a":[ 1e2,"\\u00e9" ]}}')
    assert isinstance(emit, Emit)
    assert bytes(emit.data) == b'{ "b":1.0, "a":[ 1e2,"\\u00e9" ]}'


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"null", "null"),
        (b' {"a": [1, 2]} ', ' {"a": [1, 2]} '),
        (b"-0", "-0"),
        (b"1E+2", "1E+2"),
        (b"1e-999", "1e-999"),
        (b"1" * 400, "1" * 400),
        (b'"\\ud83d\\ude00 \\u0000 \\u2028"', '"\\ud83d\\ude00 \\u0000 \\u2028"'),
        ('"\u2028\u2029\x7f é 😀"'.encode(), '"\u2028\u2029\x7f é 😀"'),
        (b'{"a":1,"a":2}', '{"a":1,"a":2}'),
        (b'{\n  "a": [\r\n1,\n2\n]\n}', '{"a":[1,2]}'),
        (b'["\\n",\n"\\r\\n"]', '["\\n","\\r\\n"]'),
    ],
)
def test_checked_json_is_one_line(raw: bytes, text: str) -> None:
    """Newlines between values go, those in strings are escapes, and all else stays as it was written."""
    assert codec.checked_json(raw, LIMITS) == text


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"nope",
        b"NaN",
        b"Infinity",
        b"-Infinity",
        b"1e999",
        b"-1e999",
        b"1e400",
        b"9" * 5000,
        b"01",
        b"1.",
        b".5",
        b"+1",
        b"-",
        b"0x1",
        b"tru",
        b'"a',
        b'"\x00"',
        b'"\x1f"',
        b'"a\nb"',
        b'"a\tb"',
        b'"\\x"',
        b'"\\u12"',
        b'"\\ud800"',
        b'"\\udc00"',
        b'"\\ud800\\ud800"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b'"\xc0\x80"',
        b"\xef\xbb\xbf1",
        b"[1,]",
        b'{"a":1,}',
        b"{1:2}",
        b"[1]]",
        b"1 2",
        b"1\n2",
        b'{"a":1}\n{"b":2}',
        b"[1//\n]",
        b'{"\xff":1}',
        b'{"\\ud800":1}',
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_checked_json_refuses_what_a_reader_could_stumble_over(raw: bytes) -> None:
    """Control characters, lone surrogates, numbers without a float, two values, and what is no JSON at all."""
    with pytest.raises(BadMessageError) as refused:
        codec.checked_json(raw, LIMITS)
    assert refused.value.code is ErrorCode.INVALID_DATA


@pytest.mark.parametrize("leaf", ["", "1"])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_checked_json_counts_nesting(opening: str, closing: str, leaf: str) -> None:
    """Sixty-four containers inside each other are accepted and sixty-five are not, whatever the innermost one holds."""
    if opening != "[" and not leaf:
        leaf = "{}"

    def nested(depth: int) -> bytes:
        wrapped = depth - (leaf == "{}")
        return (opening * wrapped + leaf + closing * wrapped).encode()

    assert codec.checked_json(nested(64), LIMITS)
    with pytest.raises(BadMessageError) as refused:
        codec.checked_json(nested(65), LIMITS)
    assert (refused.value.code, refused.value.details) == (ErrorCode.INVALID_DATA, {"limit": 64})


def test_brackets_in_strings_are_no_nesting() -> None:
    raw = json.dumps("[{" * 1000).encode()
    assert codec.checked_json(raw, LIMITS).encode() == raw


def test_checked_json_measures_what_was_sent() -> None:
    limits = replace(LIMITS, data_bytes=8)
    assert codec.checked_json(b'"123456"', limits) == '"123456"'
    for raw in (b'"1234567"', b"  1      "):
        with pytest.raises(BadMessageError) as refused:
            codec.checked_json(raw, limits, name="meta")
        assert (refused.value.code, refused.value.details) == (ErrorCode.DATA_TOO_LARGE, {"limit": 8})
        assert refused.value.message.startswith("meta has at most 8 bytes")


def test_server_frames_leave_out_what_this_version_does_not_know() -> None:
    """A newer bridge may say more; what an old client knows must still reach it."""
    frame = '{"type":"novelty","x":1}\n{"type":"ok","id":"1"}\n{"type":"ok","id":5}\n{"type":"pong","id":"2"}'
    assert codec.decode_server_frame(frame) == [Ok(id="1"), ServerPong(id="2")]


@pytest.mark.parametrize(
    "frame",
    [
        "x",
        "{",
        '{"type":"ok"',
        b"\xff",
        b'{"type":"nope"}\n{"type":"ok","id":"\xff"}',
        "\ud800",
        "[" * 100_000,
        '{"type":"welcome","limits":' + "[" * 100_000,
    ],
)
def test_a_server_frame_that_is_no_json_is_a_frame_error(frame: str | bytes) -> None:
    with pytest.raises(codec.FrameError):
        codec.decode_server_frame(frame)


def test_an_event_keeps_its_data_raw() -> None:
    wire = (
        '{"type":"event","id":"1","event":"a:b","source":"exprsn-timeline","target":"broadcast","ts":1,'
        '"data":{ "x":1.0 },"log":"broadcast","position":"1-0"}'
    )
    (event,) = codec.decode_server_frame(wire)
    assert isinstance(event, Event)
    assert bytes(event.data) == b'{ "x":1.0 }'


@pytest.mark.parametrize("value", [None, True, 0, -1.5, "é\n", [1, [2]], {"a": {"b": None}}, 2**64])
def test_encode_json_says_what_the_standard_library_reads(value: Any) -> None:
    assert json.loads(codec.encode_json(value)) == value


@pytest.mark.parametrize("value", [object(), {"a": object()}, "\ud800", {("a", "b"): 1}, 1j])
def test_encode_json_refuses_what_has_no_json_form(value: Any) -> None:
    with pytest.raises(BadMessageError) as refused:
        codec.encode_json(value)
    assert refused.value.code is ErrorCode.INVALID_DATA


def test_encode_json_refuses_what_contains_itself() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(BadMessageError):
        codec.encode_json(endless)


def test_numbers_that_json_lacks_become_null() -> None:
    """As in JavaScript, so that one bad measurement does not stop an event."""
    assert codec.encode_json([math.nan, math.inf, -math.inf]) == "[null,null,null]"


def test_an_error_says_whether_to_try_again() -> None:
    error = UnavailableError("no Redis", details={"log": "broadcast"}, retry_after_ms=250)
    assert json.loads(codec.encode_error(error, "7")) == {
        "type": "error",
        "id": "7",
        "code": "UNAVAILABLE",
        "message": "no Redis",
        "retryable": True,
        "retry_after_ms": 250,
        "details": {"log": "broadcast"},
    }
    assert json.loads(codec.encode_error(IPCError("broken", code=ErrorCode.FORBIDDEN))) == {
        "type": "error",
        "code": "FORBIDDEN",
        "message": "broken",
        "retryable": False,
    }


def test_the_type_comes_first() -> None:
    """So that a reader can dispatch before it parses the rest."""
    for message in (Subscribe(id="1", events=["*"]), Ok(id="1"), ServerPong(id="1"), Ping()):
        assert codec.encode(message).startswith('{"type":"')


@pytest.mark.parametrize("text", ["", "a", "é", "😀", "a" * 10, "aé😀"])
def test_utf8_size(text: str) -> None:
    assert codec.utf8_size(text) == len(text.encode())


def test_raw_members_are_checked_later() -> None:
    """Reading raw only finds where a value ends, which is why data and meta go through `checked_json`."""
    (emit,) = decode('{"type":"emit","event":"a:b","data":1e999}')
    assert isinstance(emit, Emit)
    with pytest.raises(BadMessageError):
        codec.checked_json(bytes(emit.data), LIMITS)
    assert isinstance(emit.data, msgspec.Raw)
