"""Strangers over Engine.IO by hand: nothing of theirs waits without a deadline, grows without a bound, or stays."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from bridge.doors.socketio.engine import MAX_REFUSED_JOINS, MAX_UNAWAITED_BYTES
from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.bridge.doors.socketio.engine_io import DEADLINE_S, JOIN, POLLING, ended, opened
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
both = pytest.mark.parametrize("bridge", ["daphne", "uvicorn"], indirect=True)
uvicorn = pytest.mark.parametrize("bridge", ["uvicorn"], indirect=True)


@pytest.fixture(scope="module")
def brisk(
    bridge_valkey: EmbeddedValkey, certs_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A bridge that does not wait long for a proof."""
    var_dir = tmp_path_factory.mktemp("brisk")
    with servers.bridge("uvicorn", bridge_valkey.url, certs_dir, var_dir, IPC_AUTH_TIMEOUT="1500") as made:
        yield made
        assert "Traceback" not in made.output(), made.output()[-5_000:]


def http_of(server: ServerProcess) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, verify=server.trust, trust_env=False, timeout=DEADLINE_S)


async def polled(http: httpx.AsyncClient) -> str:
    """Open a connection that polls, and return its address."""
    return f"{POLLING}&sid={json.loads((await http.get(POLLING)).text[1:])['sid']}"


async def told(http: httpx.AsyncClient, where: str, content: str = "") -> list[str]:
    """Return all that a connection is told until it is closed; what is said in the meantime is the cause."""
    saying = asyncio.create_task(http.post(where, content=content)) if content else None
    heard: list[str] = []
    async with asyncio.timeout(DEADLINE_S):
        while (answer := await http.get(where)).status_code == 200:
            heard += answer.text.split("\x1e")
            if heard[-1] == "1":
                break
        if saying is not None:
            await saying
    return heard


@pytest.mark.parametrize("said", [[], ["2probe"]], ids=["nothing", "a probe"])
async def test_a_websocket_that_does_not_take_over_in_time_is_closed(brisk: ServerProcess, said: list[str]) -> None:
    async with http_of(brisk) as http:
        where = await polled(http)
        await http.post(where, content=JOIN)
        async with connect(
            brisk.ws_url + where.replace("=polling", "=websocket"), ssl=brisk.trust, proxy=None
        ) as socket:
            for text in said:
                await socket.send(text)
            assert (await ended(socket))[1] == ["3probe"] * len(said)
        # The connection goes on as it was.
        await http.post(where, content='42/ipc/auth,7["ipc:ping"]')
        heard = ""
        async with asyncio.timeout(DEADLINE_S):
            while "43/ipc/auth,7" not in heard:
                heard = (await http.get(where)).text
        await http.post(where, content="1")


@both
async def test_a_websocket_does_not_take_over_what_has_ended(bridge: ServerProcess) -> None:
    async with http_of(bridge) as http:
        where = await polled(http)
        async with connect(
            bridge.ws_url + where.replace("=polling", "=websocket"), ssl=bridge.trust, proxy=None
        ) as socket:
            await http.post(where, content="1")
            await socket.send("2probe")
            await socket.send("5")
            assert (await ended(socket))[1] == ["3probe"]


@both
async def test_a_websocket_whose_client_says_that_it_goes_is_closed(bridge: ServerProcess) -> None:
    async with opened(bridge, JOIN, "1") as socket:
        assert (await ended(socket))[0] == 1000


@both
async def test_joins_that_are_refused_are_answered_up_to_a_number(bridge: ServerProcess) -> None:
    """Over long-polling, in one request: as many as there are namespaces, then the connection is closed."""
    async with http_of(bridge) as http:
        where = await polled(http)
        heard = await told(http, where, "\x1e".join(["40/x,"] * 8_000))
    assert len([text for text in heard if text.startswith("44")]) == MAX_REFUSED_JOINS + 1
    assert heard[-1] == "1"


@uvicorn
async def test_joins_that_are_refused_close_a_websocket_too(bridge: ServerProcess) -> None:
    async with opened(bridge, *["40/x,"] * (MAX_REFUSED_JOINS + 1)) as socket:
        code, heard = await ended(socket)
    assert (code, len(heard)) == (4400, MAX_REFUSED_JOINS + 1)


@uvicorn
async def test_who_has_a_session_may_be_refused_as_often_as_it_likes(bridge: ServerProcess) -> None:
    """It is known, and its answers are read: one service that is not there yet does not end the others."""
    async with opened(bridge, JOIN, *["40/x,"] * (2 * MAX_REFUSED_JOINS), '42/ipc/auth,1["ipc:ping"]') as socket:
        refused = 0
        async with asyncio.timeout(DEADLINE_S):
            while not (text := str(await socket.recv())).startswith("43/ipc/auth,1"):
                refused += text.startswith("44/x,")
    assert refused == 2 * MAX_REFUSED_JOINS


@both
async def test_answers_that_are_not_read_do_not_pile_up(bridge: ServerProcess) -> None:
    """Somebody with a session joins the same namespace again and again, and does not poll."""
    async with http_of(bridge) as http:
        where = await polled(http)
        await http.post(where, content="\x1e".join([JOIN] * 8_000))
        heard = await told(http, where)
    assert sum(len(text) for text in heard if text.startswith("4")) < 2 * MAX_UNAWAITED_BYTES


@both
async def test_a_long_name_of_a_namespace_is_not_repeated_for_ever(bridge: ServerProcess) -> None:
    async with http_of(bridge) as http:
        where = await polled(http)
        assert await told(http, where, f"40/{'x' * 2 * MAX_UNAWAITED_BYTES},") == ["1"]


async def test_a_body_has_to_come_while_its_connection_lasts(brisk: ServerProcess) -> None:
    """Behind daphne no application sees a body before all of it is there."""
    async with http_of(brisk) as http:
        where = await polled(http)
    reader, writer = await asyncio.open_connection("localhost", brisk.port, ssl=brisk.trust)
    head = f"POST {where} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
    writer.write(head.encode() + b"4")
    async with asyncio.timeout(DEADLINE_S):
        assert (await reader.readline()).startswith(b"HTTP/1.1 ")
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
