"""Through a socket, where it differs from the others: addresses, trust, and servers that are not bridges."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Response

from ipc.protocol.errors import ConfigurationError, ConnectionClosedError, UnknownServiceError
from ipc.transports import websocket as websocket_module
from ipc.transports.tokens import token_source
from ipc.transports.websocket import WebSocketTransport
from tests.ipc.peers import GUARD_S

Handler = Callable[[ServerConnection], Awaitable[None]]


@asynccontextmanager
async def server(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, ssl=tls) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        yield f"{'wss' if tls else 'ws'}://localhost:{port}"


async def silent(connection: ServerConnection) -> None:
    await connection.wait_closed()


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("websocket-certs")
    with override_settings(CERTS_DIR=directory):
        call_command("gencerts", service=["localhost"], key_type="ec", verbosity=0)
    return directory


def server_tls(certs: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs / "localhost-cert.pem", certs / "localhost-key.pem")
    return context


async def test_it_asks_for_the_namespace_and_says_who_it_is() -> None:
    """Each instance by its own id, the same on every connection."""
    seen: list[tuple[str, str, str]] = []

    async def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        headers = connection.request.headers
        seen.append((connection.request.path, headers["X-IPC-Instance"], headers["X-IPC-Pid"]))

    async with server(note) as url:
        transport = WebSocketTransport(f"{url}/", "exprsn-herald")
        for _ in range(2):
            await transport.connect()
            with pytest.raises(ConnectionClosedError):
                await transport.receive()
            await transport.close()
    assert seen[0] == seen[1]
    assert seen[0][0] == "/ipc/herald"


def test_a_service_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(UnknownServiceError):
        WebSocketTransport("wss://localhost:1", "nobody")


async def test_a_bridge_that_is_not_there_may_be_there_later(unused_tcp_port: int) -> None:
    transport = WebSocketTransport(f"ws://localhost:{unused_tcp_port}", "herald")
    with pytest.raises(ConnectionClosedError, match="cannot be reached") as refused:
        await transport.connect()
    assert refused.value.may_reconnect


@pytest.mark.parametrize("url", ["localhost:3010", "https://localhost:3010", "wss://", "nonsense"])
async def test_an_address_that_is_none_is_an_error_for_good(url: str) -> None:
    with pytest.raises(ConfigurationError, match="write wss://host:port"):
        await WebSocketTransport(url, "herald").connect()


async def test_a_ca_file_that_cannot_be_read_is_an_error_for_good(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")
    for name in ("missing.pem", "empty.pem"):
        transport = WebSocketTransport("wss://localhost:1", "herald", ca_file=tmp_path / name)
        with pytest.raises(ConfigurationError, match=f"the CA file .*{name} cannot be read"):
            await transport.connect()


async def test_only_the_ca_that_it_was_given_is_trusted(certs: Path) -> None:
    async with server(silent, tls=server_tls(certs)) as url:
        with pytest.raises(ConnectionClosedError, match=r"is not trusted: .* CERTS_DIR or IPC_CA_FILE"):
            await WebSocketTransport(url, "herald").connect()
        transport = WebSocketTransport(url, "herald", ca_file=certs / "ca-cert.pem")
        await transport.connect()
        await transport.close()


@pytest.mark.parametrize(("status", "is_asked"), [(403, True), (404, True), (503, False)])
async def test_a_server_that_takes_no_sockets_may_be_no_bridge(status: int, is_asked: bool) -> None:
    """Such as Timeline; one in front of a bridge that is away answers 502 or 503."""

    def refuse(connection: ServerConnection, _: object) -> Response:
        return connection.respond(status, "no")

    async with serve(silent, "127.0.0.1", 0, process_request=refuse) as running:
        port = next(iter(running.sockets)).getsockname()[1]
        with pytest.raises(ConnectionClosedError, match=f"HTTP {status}") as refused:
            await WebSocketTransport(f"ws://localhost:{port}", "herald").connect()
    assert str(refused.value).endswith("is BRIDGE_URL that of a bridge?") is is_asked


async def test_without_tls_at_a_bridge_that_has_it_the_scheme_is_asked_for(certs: Path) -> None:
    """Both ways in: the socket, and the token before it."""
    with override_settings(CERTS_DIR=certs):
        call_command("gencerts", service=["herald"], key_type="ec", verbosity=0)
    async with server(silent, tls=server_tls(certs)) as url:
        plain = url.replace("wss:", "ws:")
        for tokens in (None, token_source("", plain, "herald", certs_dir=certs, ca_file=None)):
            with pytest.raises(ConnectionClosedError, match=r"TLS\? Then write wss:// instead of ws://") as refused:
                await WebSocketTransport(plain, "herald", tokens=tokens).connect()
            assert refused.value.may_reconnect


async def test_a_certificate_for_another_name_is_not_trusted(certs: Path) -> None:
    async with server(silent, tls=server_tls(certs)) as url:
        other = url.replace("localhost", "ip6-localhost-of-somebody-else.invalid")
        with pytest.raises(ConnectionClosedError):
            await WebSocketTransport(other, "herald", ca_file=certs / "ca-cert.pem").connect()


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
@pytest.mark.parametrize(("version", "is_taken"), [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)])
async def test_tls_before_1_2_is_refused(certs: Path, version: ssl.TLSVersion, is_taken: bool) -> None:
    context = server_tls(certs)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    async with server(silent, tls=context) as url:
        transport = WebSocketTransport(url, "herald", ca_file=certs / "ca-cert.pem")
        if is_taken:
            await transport.connect()
            await transport.close()
        else:
            with pytest.raises(ConnectionClosedError, match=r"cannot be reached: \S"):
                await transport.connect()


@pytest.mark.parametrize(("code", "returns"), [(4403, False), (4503, True), (1001, True), (1009, False)])
async def test_the_close_code_and_its_reason_arrive(code: int, returns: bool) -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(code, "because")

    async with server(close) as url:
        transport = WebSocketTransport(url, "herald")
        await transport.connect()
        with pytest.raises(ConnectionClosedError) as closed:
            await transport.receive()
        await transport.aclose()
    assert (closed.value.close_code, closed.value.reason, closed.value.may_reconnect) == (code, "because", returns)


async def test_a_connection_that_breaks_is_lost() -> None:
    async def break_off(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with server(break_off) as url:
        transport = WebSocketTransport(url, "herald")
        await transport.connect()
        with pytest.raises(ConnectionClosedError) as closed:
            await transport.receive()
        with pytest.raises(ConnectionClosedError):
            await transport.send("{}")
        await transport.aclose()
    assert (closed.value.close_code, closed.value.may_reconnect) == (1006, True)


async def test_a_server_that_is_no_bridge_may_become_one(unused_tcp_port: int) -> None:
    """Such as a proxy that has no bridge behind it for the moment."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", unused_tcp_port):
        with pytest.raises(ConnectionClosedError, match="502") as refused:
            await WebSocketTransport(f"ws://127.0.0.1:{unused_tcp_port}", "herald").connect()
    assert refused.value.may_reconnect


async def test_a_bridge_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_module, "SEND_TIMEOUT_S", 0.1)
    is_over = asyncio.Event()

    async def frozen(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await is_over.wait()
        connection.transport.abort()

    async with server(frozen) as url:
        transport = WebSocketTransport(url, "herald")
        await transport.connect()
        with pytest.raises(ConnectionClosedError, match="took no data"):
            # More than the buffers of both ends of a local connection hold.
            await transport.send("x" * 64_000_000)
        assert transport._socket is not None
        transport._socket.transport.abort()
        is_over.set()
        await transport.aclose()


async def test_large_frames_arrive_whole() -> None:
    """A bridge joins what waits to frames of up to a mebibyte, and one event may be larger than that by itself."""
    frames = ["x" * size for size in (1, 1_048_576, 2_000_000)]

    async def send(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)
        await silent(connection)

    async with server(send) as url:
        transport = WebSocketTransport(url, "herald")
        await transport.connect()
        assert [await transport.receive() for _ in frames] == frames
        await transport.aclose()


async def test_what_it_sends_arrives_as_text() -> None:
    heard: asyncio.Queue[str | bytes] = asyncio.Queue()

    async def listen(connection: ServerConnection) -> None:
        try:
            while True:
                heard.put_nowait(await connection.recv())
        except ConnectionClosed:
            return

    async with server(listen) as url:
        transport = WebSocketTransport(url, "herald")
        await transport.connect()
        await transport.send('{"é":1}')
        async with asyncio.timeout(GUARD_S):
            assert await heard.get() == '{"é":1}'
        await transport.aclose()
