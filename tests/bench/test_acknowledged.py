"""Callbacks of Socket.IO are written, counted and called, and our door loses nothing of a durable load."""

import json
from functools import partial
from pathlib import Path

import pytest

from bench import durable
from bench.acknowledged import AckEmitterWire, AckMemberWire, AcknowledgedDurable, DoorEmitterWire, DoorMemberWire
from bench.bridge import start_ours
from bench.durable import pending
from bench.servers import start_valkey
from tests.bench.test_durable import check_sharing

SENT_AT = 1_000_000_123_456_789


@pytest.mark.parametrize(
    ("wire", "more"),
    [
        (AckEmitterWire("bridge"), set()),
        (DoorEmitterWire("bridge"), {"id", "options"}),
    ],
)
def test_an_emit_has_the_number_of_its_callback(wire: AckEmitterWire, more: set[str]) -> None:
    """The answers are what counts, and nothing else that a server says."""
    packet = wire.emit_acknowledged("ca", SENT_AT, 7)
    assert packet.startswith(b'42/ipc/bridge,7["ipc:emit",')
    body = json.loads(packet[packet.index(b"[") :])[1]
    assert body.keys() == {"event", "target", "payload"} | more
    assert body.get("options", {}) == ({"requireAck": False} if more else {})
    packets = [b'43/ipc/bridge,7[{"success":true}]', b'42/ipc/bridge,["ipc:ack",{}]', b"2"]
    assert [wire.count(each) for each in packets] == [1, 0, 0]


@pytest.mark.parametrize("wire", [AckMemberWire("ca"), DoorMemberWire("ca")])
def test_a_member_calls_the_callback_of_each_event(wire: AckMemberWire) -> None:
    """An event without a number is nobody's delivery."""
    event = b'42/ipc/ca,12["post:created",{"title":"[1]"}]'
    assert (wire.count(event), wire.acknowledge(event)) == (1, b"43/ipc/ca,12[]")
    others = [b'42/ipc/ca,["post:created",{}]', b'42/ipc/ca,12["ipc:call",{}]', b'43/ipc/ca,1[{"success":true}]', b"2"]
    assert [wire.count(each) for each in others] == [0, 0, 0, 0]


@pytest.mark.parametrize(("answer", "is_ready"), [(b'{"success":true}', True), (b'{"success":false}', False)])
def test_a_member_of_our_door_is_ready_when_it_is_in_its_group(answer: bytes, is_ready: bool) -> None:
    """Events that come before are not for it, and it hears nothing live besides."""
    wire = DoorMemberWire("ca")
    assert wire.reply(b'0{"sid":"x"}') == b'40/ipc/ca,{"subscribe":[]}'
    assert wire.reply(b'40/ipc/ca,{"sid":"y"}') is None
    asked = wire.reply(b'42/ipc/ca,["ipc:welcome",{}]') or b""
    assert json.loads(asked[asked.index(b"[") :])[1] == {"events": ["post:created"], "group": "bench", "credit": 100}
    assert not wire.is_ready
    assert wire.reply(b"43/ipc/ca,1[%b]" % answer) is None
    assert wire.is_ready is is_ready
    assert wire.reply(b"2") == b"3"


@pytest.mark.processes
async def test_our_door_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two members share the events; one that calls no callback is found out, by Valkey's own count."""
    monkeypatch.setattr(durable, "SETTLE_TIMEOUT_S", 0.1)
    valkey = await start_valkey(tmp_path, is_durable=True)
    server = None
    try:
        server = await start_ours("ours", valkey, server="uvicorn", folder=tmp_path)
        left = partial(pending, valkey.port)
        async with AcknowledgedDurable(server.port, DoorEmitterWire, DoorMemberWire, left) as bench:
            await check_sharing(bench, monkeypatch)
    finally:
        if server is not None:
            await server.stop()
        await valkey.stop()
