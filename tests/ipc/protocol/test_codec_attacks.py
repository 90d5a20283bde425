"""The codec under arbitrary input: only the documented errors come out, and what comes out is readable."""

import json
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from ipc.protocol import codec
from ipc.protocol.errors import BadMessageError
from ipc.protocol.limits import Limits
from ipc.protocol.messages import Auth, ClientMessage, Emit, Ping, Pong, Subscribe, Unsubscribe

LIMITS = Limits(frame_bytes=4096, data_bytes=1024, data_depth=8, messages_per_frame=16)

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)
ids = st.none() | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=64)
names = st.sampled_from(["post:created", "*", "post:*", "not a name", ""])
raw_values = json_values.map(lambda value: msgspec.Raw(json.dumps(value).encode()))
client_messages = st.one_of(
    st.builds(Ping, id=ids),
    st.builds(Pong, id=ids, sent=st.integers(min_value=0, max_value=2**53)),
    st.builds(Auth, id=ids, token=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)),
    st.builds(
        Subscribe,
        id=ids,
        events=st.lists(names, min_size=1, max_size=3),
        since=st.none() | st.dictionaries(text, text, max_size=2),
        where=json_values,
        credit=st.none() | st.integers(min_value=0, max_value=100),
    ),
    st.builds(Unsubscribe, id=ids, events=st.lists(names, max_size=3), forget=st.booleans()),
    st.builds(
        Emit,
        id=ids,
        event=names,
        data=raw_values,
        target=st.none() | text | st.lists(text, max_size=3),
        meta=st.just(msgspec.UNSET) | raw_values,
        ack=st.booleans(),
    ),
)
# Pieces that are nearly messages find more than noise does.
pieces = st.sampled_from(
    [
        '{"type":"',
        "ping",
        "emit",
        '"',
        ",",
        ":",
        "}",
        "{",
        "[",
        "]",
        "\n",
        "\r\n",
        "\\u",
        "d800",
        "\\",
        "1e999",
        "NaN",
        '"id":"',
        '"event":"a:b"',
        '"data":',
        "null",
        "-",
        "0",
        "\x00",
        "\x1f",
        "\ufeff",
        "é",
        "😀",
        "\ud800",
        " ",
    ]
)
near_frames = st.lists(pieces | st.text(max_size=3), max_size=30).map("".join)
near_bytes = st.lists(
    pieces.map(lambda piece: piece.encode(errors="surrogatepass")) | st.binary(max_size=3), max_size=30
).map(b"".join)
anything = near_frames | near_bytes | st.text() | st.binary()


@given(st.lists(client_messages, min_size=1, max_size=8))
def test_messages_survive_a_round_trip(messages: list[ClientMessage]) -> None:
    """One frame of any messages, whatever newlines their strings have, gives the same messages back."""
    frame = "\n".join(codec.encode(message) for message in messages)
    assert codec.decode_client_frame(frame, Limits()) == messages


@given(anything)
@example(b'{"type":"nope"}\n{"type":"ok","id":"\xff"}')
def test_a_client_frame_of_anything_is_messages_refusals_or_a_frame_error(frame: str | bytes) -> None:
    try:
        messages = codec.decode_client_frame(frame, LIMITS)
    except codec.FrameError as refused:
        codec.encode_error(refused)
        return
    assert 0 < len(messages) <= LIMITS.messages_per_frame
    for message in messages:
        if isinstance(message, codec.Refused):
            assert json.loads(codec.encode_error(message.error, message.id))["code"]


@given(anything)
def test_a_server_frame_of_anything_is_messages_or_a_frame_error(frame: str | bytes) -> None:
    try:
        messages = codec.decode_server_frame(frame)
    except codec.FrameError:
        return
    assert isinstance(messages, list)


def strictly(wire: str) -> Any:
    """Read JSON as the strictest reader would: RFC 8259 has no NaN, and I-JSON (RFC 7493) no lone surrogates."""

    def refuse(name: str) -> Any:
        raise ValueError(name)

    value = json.loads(wire, parse_constant=refuse)
    json.dumps(value, ensure_ascii=False).encode()
    return value


near_json = st.lists(
    pieces | st.integers().map(str) | st.floats().map(str) | text.map(json.dumps) | st.text(max_size=3), max_size=15
).map(lambda found: "".join(found).encode(errors="surrogatepass"))


@given(near_json | st.binary() | json_values.map(lambda value: json.dumps(value, indent=1).encode()))
@example(b"[1e999]")
@example(b'"\\ud800"')
@example(b'[\n"\\n"\r\n]')
def test_what_checked_json_accepts_every_reader_accepts(raw: bytes) -> None:
    """One line, no raw control characters in strings, and the same value for the standard library."""
    try:
        line = codec.checked_json(raw, LIMITS)
    except BadMessageError:
        return
    assert "\n" not in line
    assert "\r" not in line
    value = strictly(line)
    assert value == strictly(raw.decode())
    frame = f'{{"type":"event","data":{line}}}\n{{"type":"ok"}}'
    assert [strictly(part) for part in frame.split("\n")] == [{"type": "event", "data": value}, {"type": "ok"}]


@given(json_values)
def test_checked_json_accepts_json_within_its_limits(value: Any) -> None:
    raw = json.dumps(value, ensure_ascii=False).encode()
    if len(raw) > LIMITS.data_bytes or depth_of(value) > LIMITS.data_depth:
        return
    assert json.loads(codec.checked_json(raw, LIMITS)) == value


@given(json_values, st.integers(min_value=0, max_value=12))
def test_checked_json_refuses_exactly_what_is_deeper(value: Any, wraps: int) -> None:
    """Against a depth that is counted by recursion."""
    for _ in range(wraps):
        value = [value]
    raw = json.dumps(value).encode()
    limits = Limits(data_bytes=1024 * 1024, data_depth=LIMITS.data_depth)
    try:
        codec.checked_json(raw, limits)
    except BadMessageError:
        assert depth_of(value) > LIMITS.data_depth
    else:
        assert depth_of(value) <= LIMITS.data_depth


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((depth_of(child) for child in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth_of(child) for child in value), default=0)
    return 0
