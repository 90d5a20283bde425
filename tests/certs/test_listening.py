"""daphne under real clients: how large a message may be, and how it ends."""

import os
import queue
import select
import signal
import socket
import ssl
import threading
import time
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close, Frame, Opcode
from websockets.sync.client import connect

from tests.certs.processes import Served

pytestmark = pytest.mark.processes

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TOO_LONG = b"\x81\xff" + (1 << 40).to_bytes(8) + bytes(4)
ANSWER = Frame(Opcode.CLOSE, Close(1009, "").serialize()).serialize(mask=True)


def test_websockets_take_twice_the_frame_limit_and_no_more(
    timeline: tuple[str, int, int | None], trust: ssl.SSLContext
) -> None:
    """The application sees what is a little too large, so that it can say so; the rest never reaches the memory."""
    with connect(f"wss://localhost:{timeline[1]}/", ssl=trust) as socket:
        socket.send("x" * 2048)
        assert socket.recv(timeout=10) == "2048"
        socket.send("x" * 2049)
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_a_client_has_more_than_a_moment_to_answer_a_close(
    timeline: tuple[str, int, int | None], trust: ssl.SSLContext
) -> None:
    """It is not cut off with what is on its way to it; its own close ends the connection as it should be."""
    url, port, _ = timeline
    with (
        socket.create_connection(("localhost", port), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as client,
    ):
        client.sendall(UPGRADE)
        while b"\r\n\r\n" not in client.recv(1000):
            pass
        client.sendall(TOO_LONG)
        assert client.recv(1000).startswith(b"\x88")
        closed_at = time.monotonic()
        while time.monotonic() < closed_at + 1.2:
            assert httpx.get(url, verify=trust, timeout=10).status_code == 200
        assert select.select([client], [], [], 0)[0] == []
        client.sendall(ANSWER)
        assert client.recv(1000) == b""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("reload", [[], ["--noreload"]])
def test_a_signal_lets_a_request_finish(
    made: Path, trust: ssl.SSLContext, reload: list[str], number: signal.Signals
) -> None:
    """The request in flight is answered, the exit code is 0, and no process stays behind."""
    answers: queue.Queue[httpx.Response | Exception] = queue.Queue()

    def ask(url: str) -> None:
        try:
            answers.put(httpx.get(f"{url}/busy", verify=trust, timeout=20))
        except httpx.HTTPError as error:
            answers.put(error)

    with Served(made, *reload) as served:
        url, port, _ = served.listens()
        asking = threading.Thread(target=ask, args=(url,))
        asking.start()
        served.hears("busy")
        assert served.ends(number) == 0
        answer = answers.get(timeout=20)
        asking.join()
    assert isinstance(answer, httpx.Response), answer
    with pytest.raises(ProcessLookupError):
        os.kill(answer.json()["pid"], 0)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


def test_an_idle_websocket_does_not_hold_up_the_end(made: Path, trust: ssl.SSLContext) -> None:
    """An application that does not end by itself is cancelled."""
    with Served(made, "--noreload") as served:
        _, port, _ = served.listens()
        with connect(f"wss://localhost:{port}/", ssl=trust):
            assert served.ends(signal.SIGTERM) == 0
