"""Heads of requests that never end, behind uvicorn: refused by their size, and given up after a while."""

import asyncio
import logging
from typing import Any

import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from bridge.doors import heads
from bridge.doors.heads import MAX_HEAD, HeadProtocol
from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.clients import attached
from tests.servers import ServerProcess

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n"
END = b"\r\n"


class Wire(asyncio.Transport):
    """What the protocol writes, and that it has closed."""

    def __init__(self) -> None:
        super().__init__({"sockname": ("127.0.0.1", 1), "peername": ("127.0.0.1", 2)})
        self.written = b""
        self.closed = asyncio.Event()

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.closed.set()

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def connection() -> Any:
    """A protocol on a wire; what is written to it comes in order."""
    config = Config(application, lifespan="off", log_config=None)
    config.load()
    protocol, wire = HeadProtocol(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)
    yield protocol, wire
    protocol.connection_lost(None)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_requests_one_after_the_other_are_answered(connection: Any) -> None:
    """Also with bodies that are larger than a head may be, and in pieces."""
    protocol, wire = connection
    for _ in range(3):
        protocol.data_received(REQUEST + END)
        await settled()
    body = b"x" * 3 * MAX_HEAD
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    for at in range(0, len(request), 1_000):
        protocol.data_received(request[at : at + 1_000])
        await settled()
    protocol.data_received(REQUEST[:9])
    protocol.data_received(REQUEST[9:] + END)
    await settled()
    assert wire.written.count(b"HTTP/1.1 200") == 5
    assert not wire.is_closing()


@pytest.mark.parametrize("piece", [b"X-Some: thing\r\n", b"x", b"X: " + b"y" * 10_000 + b"\r\n"])
async def test_a_head_that_does_not_end_is_refused(
    connection: Any, piece: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    protocol, wire = connection
    protocol.data_received(REQUEST)
    sent = 0
    with caplog.at_level(logging.WARNING):
        while not wire.is_closing():
            protocol.data_received(piece)
            sent += len(piece)
            assert sent <= MAX_HEAD + len(piece)
    assert wire.written.startswith(b"HTTP/1.1 400 ")
    assert sent > MAX_HEAD - len(REQUEST) - 1


async def test_the_second_request_of_a_connection_is_held_to_it_too(connection: Any) -> None:
    protocol, wire = connection
    protocol.data_received(REQUEST + END)
    await settled()
    protocol.data_received(REQUEST)
    protocol.data_received(b"X: " + b"y" * MAX_HEAD)
    assert wire.is_closing()


async def test_what_came_with_the_request_before_does_not_count(connection: Any) -> None:
    """Its body may be as large as it likes."""
    protocol, wire = connection
    body = b"x" * 2 * MAX_HEAD
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body + REQUEST)
    await settled()
    protocol.data_received(END)
    await settled()
    assert (wire.written.count(b"HTTP/1.1 200"), wire.is_closing()) == (2, False)


@pytest.mark.parametrize("begun", [b"", REQUEST, REQUEST + END + REQUEST])
async def test_who_does_not_come_to_the_end_is_given_up(monkeypatch: pytest.MonkeyPatch, begun: bytes) -> None:
    """Whoever says nothing, half of a request, or one and a half."""
    monkeypatch.setattr(heads, "HEAD_TIMEOUT_S", 0.01)
    config = Config(application, lifespan="off", log_config=None)
    config.load()
    protocol, wire = HeadProtocol(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)
    if begun:
        protocol.data_received(begun)
    async with asyncio.timeout(15):
        await wire.closed.wait()
    protocol.connection_lost(None)


@pytest.mark.processes
async def test_a_flood_of_headers_fills_no_memory(tmp_path: Any) -> None:
    """Before any token is looked at; a neighbour does not notice."""
    certs = servers.certificates(tmp_path / "certs")
    with (
        EmbeddedValkey(tmp_path / "valkey") as valkey,
        servers.bridge("uvicorn", valkey.url, certs, tmp_path / "b") as bridge,
    ):
        async with attached(bridge, "herald") as neighbour:
            assert await flooded(bridge) < 10 * 1024 * 1024
            assert await neighbour.is_well()
        assert "more than 65536 bytes of headers" in bridge.output()


async def flooded(bridge: ServerProcess) -> int:
    """Send headers until the server has had enough, and return how many bytes went out."""
    _, writer = await asyncio.open_connection("localhost", bridge.port, ssl=bridge.trust)
    writer.write(REQUEST)
    sent = 0
    try:
        async with asyncio.timeout(30):
            while True:
                writer.write(b"X-Some: thing\r\n" * 4_000)
                sent += 60_000
                await writer.drain()
    except OSError:
        return sent
    finally:
        writer.transport.abort()
