"""The driver's protocols write what servers accept and count what servers send."""

import json

import pytest
from msgspec import Raw

from bench.socketio_wires import DoorWire, SocketIOWire
from bench.wires import SUBSCRIBERS, EmitterWire, MemberWire, NativeWire, PlainWire, Wire, now_us, post_data, sent_at_of
from ipc.protocol.codec import decode_client_frame, encode
from ipc.protocol.limits import Limits
from ipc.protocol.messages import Emit, Event, Ping, Pong, Subscribe, Welcome

SENT_AT = 1_000_000_123_456_789
WELCOME = Welcome(session="1", instance="i", service="exprsn-ca", limits={}, heartbeat_ms=25_000)


def json_of(packet: bytes) -> list[object]:
    """Return the arguments of a Socket.IO event packet."""
    values: list[object] = json.loads(packet[packet.index(b"[") :])
    return values


def test_a_post_is_about_220_bytes() -> None:
    """The data that every server carries is JSON of the size that the comparison states."""
    assert 215 <= len(post_data(now_us())) <= 230
    assert json.loads(post_data(SENT_AT))["sentAt"] == SENT_AT


def test_the_clock_fits_into_a_javascript_number() -> None:
    """A server that parses and writes the time does not change it (2**53 - 1 is the largest exact integer)."""
    assert 10**15 <= now_us() < 2**53


def test_eighteen_services_subscribe() -> None:
    """All services but the publisher hear the events."""
    assert len(set(SUBSCRIBERS)) == 18
    assert "bridge" not in SUBSCRIBERS


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_the_time_is_found_in_any_style_of_json(separators: tuple[str, str]) -> None:
    """Servers that parse and write an event may put spaces where they like."""
    data = json.loads(post_data(SENT_AT))
    payload = json.dumps({"type": "event", "data": data, "position": "1-1"}, separators=separators).encode()
    assert sent_at_of(payload) == SENT_AT
    assert sent_at_of(json.dumps({"id": f"sentAt:{SENT_AT}"}, separators=separators).encode()) == SENT_AT


def test_the_time_of_a_later_event_is_found() -> None:
    """A sample may start in the middle of a frame; after its last event there is nothing."""
    frame = b"\n".join(post_data(SENT_AT + number) for number in range(3))
    assert sent_at_of(frame, len(frame) // 2) == SENT_AT + 1
    assert sent_at_of(frame, len(frame) - 5) is None


@pytest.mark.parametrize("target", ["timeline", "broadcast"])
def test_the_bridge_accepts_native_emits(target: str) -> None:
    """A frame of emits is one that the protocol's own decoder takes apart."""
    wire = NativeWire("bridge")
    (frame,) = wire.pack([wire.emit(target, SENT_AT), wire.emit(target, SENT_AT + 1)])
    first, second = decode_client_frame(frame, Limits())
    assert isinstance(first, Emit)
    assert isinstance(second, Emit)
    assert (first.event, first.target, bytes(first.data)) == ("post:created", target, post_data(SENT_AT))
    assert bytes(second.data) == post_data(SENT_AT + 1)


def test_the_bridge_accepts_native_pings() -> None:
    """An echo is the protocol's ping, and its id carries the time."""
    wire = NativeWire("bridge")
    (ping,) = decode_client_frame(wire.ping(SENT_AT), Limits())
    assert isinstance(ping, Ping)
    assert sent_at_of((ping.id or "").encode()) == SENT_AT


def test_native_events_are_counted_by_line() -> None:
    """A frame of the bridge counts for as many events as it has messages; anything else counts nothing."""
    event = encode(
        Event(
            id="1",
            event="post:created",
            source="exprsn-bridge",
            target="broadcast",
            ts=1,
            data=Raw(post_data(SENT_AT)),
            log="l",
            position="1-1",
        )
    )
    assert NativeWire("ca").count("\n".join([event] * 7).encode()) == 7
    assert NativeWire("ca").count(encode(WELCOME).encode()) == 0


HEARTBEAT = b'{"type":"ping","sent":4711,"positions":{"broadcast":"1-1"}}'


@pytest.mark.parametrize("place", [0, 3, 7])
@pytest.mark.parametrize(
    ("wire", "message"),
    [
        (NativeWire("ca"), b'{"type":"event","id":"1","data":{"content":"a type: ping"},"log":"l","position":"1-1"}'),
        (NativeWire("ca"), b'{"type":"pong","id":"1"}'),
        (MemberWire("ca", group="g", credit=9), b'{"type":"event","id":"1","delivery":"1"}'),
        (EmitterWire("ca", hears=False), b'{"type":"ok","id":"1","position":"1-1"}'),
    ],
    ids=["event", "pong", "member", "emitter"],
)
def test_a_heartbeat_in_a_frame_counts_for_nothing_and_is_answered(wire: Wire, message: bytes, place: int) -> None:
    """The bridge puts what waits into one frame, and a heartbeat may come before, among or after the rest."""
    messages = [message] * 7
    assert not wire.has_more(b"\n".join(messages), wire.count(b"\n".join(messages)))
    frame = b"\n".join([*messages[:place], HEARTBEAT, *messages[place:]])
    assert wire.count(frame) == 7
    assert wire.has_more(frame, 7)
    (pong,) = decode_client_frame(wire.reply(frame) or b"", Limits())
    assert isinstance(pong, Pong)
    assert pong.sent == 4711


def test_an_error_among_answers_is_an_error() -> None:
    """An emit that was refused is not taken for one that is late."""
    wire = EmitterWire("ca", hears=False)
    frame = b'{"type":"ok","id":"1"}\n{"type":"error","id":"2","code":"TOO_LARGE","message":"no"}'
    assert wire.has_more(frame, wire.count(frame))
    with pytest.raises(ConnectionRefusedError, match="TOO_LARGE"):
        wire.reply(frame)


def test_a_native_subscriber_is_ready_once_its_subscription_is_confirmed() -> None:
    """Events sent before that would be missed, and be taken for lost."""
    wire = NativeWire("ca")
    answer = wire.reply(encode(WELCOME).encode())
    assert answer is not None
    (subscribe,) = decode_client_frame(answer, Limits())
    assert isinstance(subscribe, Subscribe)
    assert subscribe.events == ["post:created"]
    assert not wire.is_ready
    assert wire.reply(b'{"type":"ok","id":"1"}') is None
    assert wire.is_ready


def test_a_native_publisher_subscribes_to_nothing() -> None:
    """The publisher would otherwise be a nineteenth receiver."""
    wire = NativeWire("bridge", hears=False)
    assert wire.reply(encode(WELCOME).encode()) is None
    assert wire.is_ready


def test_heartbeats_are_answered_with_their_number() -> None:
    """The bridge closes a session that leaves heartbeats unanswered."""
    answer = NativeWire("ca").reply(b'{"type":"ping","sent":4711}')
    assert answer is not None
    (pong,) = decode_client_frame(answer, Limits())
    assert isinstance(pong, Pong)
    assert pong.sent == 4711


@pytest.mark.parametrize(
    ("wire", "refusal"),
    [
        (NativeWire("ca"), b'{"type":"error","code":"FORBIDDEN","message":"no"}'),
        (SocketIOWire("ca"), b'44/ipc/ca,{"message":"no"}'),
    ],
)
def test_a_refusal_is_an_error(wire: Wire, refusal: bytes) -> None:
    """A server that refuses work must not be measured as a fast one."""
    with pytest.raises(ConnectionRefusedError, match="no"):
        wire.reply(refusal)


def test_plain_frames_hold_an_object_or_a_list() -> None:
    """A plain consumer gets one JSON value a frame, and sends one event a frame."""
    wire = PlainWire("bridge")
    message = wire.emit("ca", SENT_AT)
    (one,), (two,) = wire.pack([message]), wire.pack([message, message])
    assert json.loads(one)["data"]["sentAt"] == SENT_AT
    assert [item["target"] for item in json.loads(two)] == ["ca", "ca"]
    assert wire.count(json.dumps({"type": "event", "data": {}}).encode()) == 1
    assert wire.count(json.dumps({"type": "welcome"}).encode()) == 0


def test_a_plain_subscriber_asks_for_events() -> None:
    """A plain socket is ready once its groups are joined."""
    wire = PlainWire("ca")
    assert wire.reply(b'{"type": "welcome"}') == b'{"type":"subscribe"}'
    assert not wire.is_ready
    wire.reply(b'{"type": "ok"}')
    assert wire.is_ready


def test_socketio_opens_its_namespace() -> None:
    """After Engine.IO's open packet the client connects to the service's namespace, and pings are answered."""
    wire = SocketIOWire("ca")
    assert wire.reply(b'0{"sid":"x"}') == b"40/ipc/ca,"
    assert not wire.is_ready
    assert wire.reply(b"2") == b"3"
    assert wire.reply(b'40/ipc/ca,{"sid":"y"}') is None
    assert wire.is_ready


def test_socketio_sends_a_frame_for_each_message() -> None:
    """Socket.IO has no frame with several packets, so twenty events are twenty frames."""
    wire = SocketIOWire("bridge")
    frames = wire.pack([wire.emit("ca", SENT_AT), wire.ping(SENT_AT)])
    assert [frame[: len(b"42/ipc/bridge,")] for frame in frames] == [b"42/ipc/bridge,"] * 2
    name, body = json_of(frames[0])
    assert name == "ipc:emit"
    assert body == {"event": "post:created", "target": "ca", "payload": json.loads(post_data(SENT_AT))}
    assert json_of(frames[1]) == ["ping:echo", {"id": f"sentAt:{SENT_AT}"}]
    assert [wire.count(frame) for frame in (*frames, b"2", b"40/ipc/ca,")] == [1, 1, 0, 0]


def test_our_door_is_counted_by_the_events_that_its_peer_sends_too() -> None:
    """What it says of itself is no delivery, and a publisher hears nothing."""
    wire = DoorWire("ca")
    assert wire.reply(b'0{"sid":"x"}') == b"40/ipc/ca,"
    assert DoorWire("ca", hears=False).reply(b'0{"sid":"x"}') == b'40/ipc/ca,{"subscribe":[]}'
    assert wire.reply(b'40/ipc/ca,{"sid":"y"}') is None
    was_ready = wire.is_ready
    assert wire.reply(b'42/ipc/ca,["ipc:welcome",{}]') is None
    assert (was_ready, wire.is_ready) == (False, True)
    assert wire.reply(b"2") == b"3"
    name, body = json_of(wire.emit("spark", SENT_AT))
    assert name == "ipc:emit"
    assert body == {
        "event": "post:created",
        "target": "spark",
        "payload": json.loads(post_data(SENT_AT)),
        "options": {"requireAck": False},
    }
    assert json_of(wire.ping(SENT_AT)) == ["ipc:jsonlex", {"expression": {"id": f"sentAt:{SENT_AT}"}}]
    counted = [b'42/ipc/ca,["post:created",{}]', b'43/ipc/ca,1[{"result":{}}]', b'42/ipc/ca,["ipc:positions",{}]', b"2"]
    assert [wire.count(frame) for frame in counted] == [1, 1, 0, 0]
