"""The NATS client takes the protocol apart, however it is cut into pieces, and says when the server refuses."""

import asyncio
from pathlib import Path

import pytest

from bench.nats import NatsSocket, connect_nats, nats_server, nats_version, start_jetstream
from bench.servers import ServerError


class Written(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.text = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.text += bytes(data)


EVENTS = (
    b'MSG bench.members 1 $JS.ACK.one 27\r\n{"sentAt":1000000123456789}\r\n'
    b"PING\r\n"
    b"HMSG bench.post 1 $JS.ACK.two 12 18\r\nNATS/1.0\r\n\r\n\r\nMSG \r\n"
)


@pytest.mark.parametrize("size", [1, 7, 40, 1000])
async def test_messages_are_found_in_any_pieces(size: int) -> None:
    """Each event is counted and acknowledged once; a payload that looks like the protocol is none."""
    socket, written = NatsSocket("bench.members", queue="bench"), Written()
    socket.connection_made(written)
    written.text = b""
    for start in range(0, len(EVENTS), size):
        socket.data_received(EVENTS[start : start + size])
    assert socket.events == 2
    assert written.text.count(b"+ACK") == 2
    assert b"PUB $JS.ACK.one 4\r\n+ACK\r\n" in written.text
    assert b"PUB $JS.ACK.two 4\r\n+ACK\r\n" in written.text
    assert b"PONG\r\n" in written.text


async def test_a_refused_emit_fails_the_run() -> None:
    """An answer that is an error is not counted as stored in silence."""
    socket, failures = NatsSocket("bench.emitter"), list[Exception]()
    socket.connection_made(Written())
    socket.on_failure = failures.append
    answer = b'{"error":{"code":503}}'
    socket.data_received(b"MSG bench.emitter 1 %d\r\n%b\r\n" % (len(answer), answer))
    assert [type(failure) for failure in failures] == [ConnectionRefusedError]


async def test_a_missing_server_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without nats-server the peer is skipped with the reason."""
    monkeypatch.setattr("bench.nats.shutil.which", lambda *_args, **_options: None)
    with pytest.raises(ServerError, match="nats-server is not installed"):
        nats_server()
    assert await nats_version() is None


@pytest.mark.processes
async def test_jetstream_refuses_what_is_wrong(tmp_path: Path) -> None:
    """A request that JetStream refuses raises with what it said."""
    try:
        nats_server()
    except ServerError as error:
        pytest.skip(str(error))
    server = await start_jetstream("jetstream", tmp_path)
    try:
        socket = await connect_nats(server.port, "bench.emitter")
        with pytest.raises(ConnectionRefusedError, match="stream not found"):
            await socket.request("$JS.API.STREAM.INFO.nothing", {})
        await socket.close()
    finally:
        await server.stop()
