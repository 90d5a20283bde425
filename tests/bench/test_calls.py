"""The call workload counts replies with an object in them, on a real bridge, and nothing else."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from msgspec import Raw

from bench import workloads
from bench.bridge import start_ours
from bench.calls import KEY, OPERATION, POST, RESOURCE, CallBench, CallerWire, OwnerWire
from bench.servers import start_valkey
from bench.wires import post_data, sent_at_of
from bench.workloads import CALL, Load
from ipc.protocol.codec import decode_client_frame, encode
from ipc.protocol.limits import Limits
from ipc.protocol.messages import Call, CallError, Pong, Reply, Serve, ServerCall, ServerReply, Welcome

SENT_AT = 1_000_000_123_456_789
LOAD = Load(events=500, seconds=60, window=64, sample_every=10)
WELCOME = Welcome(session="1", instance="i", service="exprsn-ca", limits={}, heartbeat_ms=25_000)
HEARTBEAT = '{"type":"ping","sent":1}'


def server_call(call_id: str) -> str:
    """Return a call as the bridge hands it to the owner."""
    return encode(ServerCall(id=call_id, op="read", resource="posts", key='"id":"', source="s", deadline_ms=1000))


def test_the_bridge_accepts_calls() -> None:
    """Calls are the protocol's own; their ids differ in a frame and carry the time."""
    wire = CallerWire("bridge", hears=False)
    (frame,) = wire.pack([wire.call(SENT_AT, 0), wire.call(SENT_AT, 1)])
    first, second = decode_client_frame(frame, Limits())
    assert isinstance(first, Call)
    assert isinstance(second, Call)
    assert (first.op, first.resource, first.key) == (OPERATION, RESOURCE, KEY)
    assert first.id != second.id
    assert sent_at_of(encode(ServerReply(id=first.id or "", data=Raw(POST))).encode()) == SENT_AT


def test_an_owner_serves_and_answers_every_call_of_a_frame() -> None:
    """It is ready once its resource is claimed; replies have the calls' ids, whatever else is in a call or frame."""
    wire = OwnerWire("ca")
    (serve,) = decode_client_frame(wire.reply(encode(WELCOME).encode()) or b"", Limits())
    assert isinstance(serve, Serve)
    assert [(resource.name, resource.ops) for resource in serve.resources] == [(RESOURCE, [OPERATION])]
    frame = "\n".join([server_call("a"), HEARTBEAT, server_call("b")]).encode()
    assert (wire.count(frame), wire.has_more(frame, 2)) == (2, True)
    replies = decode_client_frame(wire.acknowledge(frame) or b"", Limits())
    assert replies == [Reply(id="a", data=Raw(POST)), Reply(id="b", data=Raw(POST))]
    (pong,) = decode_client_frame(wire.reply(frame) or b"", Limits())
    assert isinstance(pong, Pong)
    assert not wire.is_ready
    wire.reply(b'{"type":"ok","id":"1"}')
    assert wire.is_ready


def test_the_answer_is_as_large_as_an_event_and_carries_no_time() -> None:
    """Both sides of the comparison answer about 220 bytes, and only a call's id has its time."""
    assert len(POST) == len(post_data(SENT_AT))
    assert msgspec.json.decode(POST)["id"] == KEY
    assert sent_at_of(POST) is None


def test_a_reply_that_is_an_error_is_refused() -> None:
    """A server that answers every call with an error would be a fast one."""
    wire = CallerWire("bridge", hears=False)
    replies = [encode(ServerReply(id=str(number), data=Raw(POST))) for number in range(3)]
    good = "\n".join(replies).encode()
    assert (wire.count(good), wire.has_more(good, 3)) == (3, False)
    replies[1] = encode(ServerReply(id="1", error=CallError(code="NO_OWNER", message="nobody")))
    bad = "\n".join(replies).encode()
    assert wire.has_more(bad, wire.count(bad))
    with pytest.raises(ConnectionRefusedError, match="NO_OWNER"):
        wire.reply(bad)


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """Give the port of a bridge."""
    valkey = await start_valkey(tmp_path)
    try:
        bridge = await start_ours("ours", valkey, server="uvicorn", folder=tmp_path)
        try:
            yield bridge.port
        finally:
            await bridge.stop()
    finally:
        await valkey.stop()


@pytest.mark.processes
async def test_the_bridge_is_measured(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call is answered; what an owner leaves unanswered is lost, and a refused call fails the run."""
    async with CallBench(port) as bench:
        measured = await bench.run(CALL, LOAD)
        assert (measured.sent, measured.deliveries, measured.lost, measured.repeated) == (500, 500, 0, 0)
        assert measured.p50_ms is not None
        assert bench.owner.events == 500

        monkeypatch.setattr(workloads, "STALL_S", 0.2)
        monkeypatch.setattr(bench.owner.wire, "acknowledge", lambda _: None)
        assert (await bench.run(CALL, Load(events=20, seconds=60, window=64, sample_every=1))).lost == 20

    async with CallBench(port) as bench:
        await bench.owner.close()
        with pytest.raises(OSError, match=r"NO_OWNER|OWNER_LOST"):
            await bench.run(CALL, LOAD)
