"""Who has not shown who they are: as many as may wait do, and nobody who shows a token waits behind them."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import override_settings
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from bridge.doors.strangers import STRANGER_BYTES, STRANGER_FRAME_BYTES, Strangers
from bridge.handshake import RefusedError
from exprsn.embedded import EmbeddedValkey
from ipc.protocol.codes import CloseCode, ErrorCode
from tests import servers
from tests.bridge.doors.socketio.engine_io import JOIN, POLLING, WEBSOCKET, ended, opened
from tests.bridge.tokens import LOCKED, bearer, minted
from tests.clients import DEADLINE_S, attached, socket_to
from tests.servers import ServerProcess

HERE = ("127.0.0.1", 0)
ELSEWHERE = ("127.0.0.2", 0)
PER_ADDRESS = 3
ALL = 4


@override_settings(IPC_MAX_STRANGERS=3, IPC_MAX_STRANGERS_PER_ADDRESS=2)
def test_so_many_may_wait_from_one_address_and_in_all() -> None:
    strangers = Strangers()
    first = strangers.enter(("192.0.2.1", 1))
    strangers.enter(("192.0.2.1", 2))
    with pytest.raises(RefusedError) as refused:
        strangers.enter(("192.0.2.1", 3))
    assert refused.value.error.code is ErrorCode.OVERLOADED
    assert refused.value.close_code is CloseCode.DRAINING
    assert "2 connections from your address" in refused.value.error.message
    strangers.enter(("192.0.2.2", 1))
    with pytest.raises(RefusedError) as refused:
        strangers.enter(None)
    assert refused.value.error.message.startswith("3 connections are")
    assert len(strangers) == 3
    first.end()
    first.end()
    assert len(strangers) == 2
    with strangers.enter(None):
        assert len(strangers) == 3
    strangers.enter(("192.0.2.1", 4))


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def guarded(
    request: pytest.FixtureRequest,
    bridge_valkey: EmbeddedValkey,
    certs_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerProcess]:
    """A bridge where few strangers may wait, and each for long."""
    settings = {
        **LOCKED,
        "IPC_AUTH_TIMEOUT": "60000",
        "IPC_MAX_STRANGERS": str(ALL),
        "IPC_MAX_STRANGERS_PER_ADDRESS": str(PER_ADDRESS),
    }
    var_dir = tmp_path_factory.mktemp(f"guarded-{request.param}")
    with servers.bridge(request.param, bridge_valkey.url, certs_dir, var_dir, **settings) as server:
        yield server


async def refusal(server: ServerProcess, address: tuple[str, int] = HERE) -> tuple[dict[str, Any], int]:
    """Return what one too many is told, and the code that its socket is closed with."""
    async with socket_to(server, "/ipc/herald", local_addr=address) as client:
        return await client.next(), await client.close_code()


async def until_there_is_room(server: ServerProcess, token: str) -> None:
    """Try to get in by ``auth`` until a place at the door is free."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            async with socket_to(server, "/ipc/herald", local_addr=HERE) as client:
                # Who is refused may hear of it, and of the end, before saying anything.
                with contextlib.suppress(ConnectionClosed):
                    await client.say({"type": "auth", "token": token})
                if (await client.next())["type"] == "welcome":
                    return


async def polled(server: ServerProcess, sid: str = "", **said: Any) -> httpx.Response:
    """Open a connection that polls, or say something on one."""
    async with httpx.AsyncClient(verify=server.trust, trust_env=False) as client:
        address = server.url + POLLING + (f"&sid={sid}" if sid else "")
        return await client.request("POST" if said else "GET", address, **said)


@pytest.mark.processes
async def test_one_too_many_is_told_to_come_back_and_a_token_passes_them_all(
    guarded: ServerProcess, bridge_valkey: EmbeddedValkey
) -> None:
    token = (await minted(bridge_valkey.url)).token
    async with (
        socket_to(guarded, "/ipc/herald", local_addr=HERE) as first,
        socket_to(guarded, "/ipc/spark", local_addr=HERE),
        opened(guarded) as websocket,
    ):
        error, code = await refusal(guarded)
        assert (error["type"], error["code"], error["retryable"], code) == ("error", "OVERLOADED", True, 4503)
        assert f"{PER_ADDRESS} connections from your address" in error["message"]
        answer = await polled(guarded)
        assert (answer.status_code, answer.json()["code"]) == (503, "OVERLOADED")
        async with connect(guarded.ws_url + WEBSOCKET, ssl=guarded.trust, proxy=None) as turned_away:
            assert await ended(turned_away) == (4503, [])

        # The last place is for another address, and then there is none.
        async with socket_to(guarded, "/ipc/herald", local_addr=ELSEWHERE):
            error, code = await refusal(guarded, ("127.0.0.3", 0))
            assert (error["code"], code) == ("OVERLOADED", 4503)
            assert error["message"].startswith(f"{ALL} connections are")
            async with attached(guarded, "herald", local_addr=ELSEWHERE, **bearer(token)) as known:
                assert await known.is_well()

        # Whoever proves something makes room, by both doors.
        await first.say({"type": "auth", "token": token})
        assert (await first.next())["type"] == "welcome"
        await until_there_is_room(guarded, token)
        async with socket_to(guarded, "/ipc/herald", local_addr=HERE):
            assert (await refusal(guarded))[1] == 4503
            joining = JOIN.replace("auth", "herald") + json.dumps({"token": token})
            await websocket.send(joining)
            assert str(await websocket.recv()).startswith("40/ipc/herald,")
            await until_there_is_room(guarded, token)


@pytest.mark.processes
async def test_whoever_says_too_much_without_a_proof_is_told_at_once(guarded: ServerProcess) -> None:
    """A frame that is too large, one that is only half-sent under the server that stops reading, and a packet."""
    async with socket_to(guarded, "/ipc/herald", local_addr=ELSEWHERE) as client:
        await client.raw(json.dumps({"type": "auth", "token": "x" * STRANGER_FRAME_BYTES}))
        error = await client.next()
        assert (error["code"], error["details"]) == ("FRAME_TOO_LARGE", {"limit": STRANGER_FRAME_BYTES})
        assert await client.close_code() == CloseCode.TOO_LARGE
    if "uvicorn" not in guarded.command:
        return
    half = frame_header(STRANGER_BYTES * 4) + b" " * STRANGER_BYTES * 2
    async with socket_to(guarded, "/ipc/herald", local_addr=ELSEWHERE) as client:
        client.connection.transport.write(half)
        assert (await client.next())["code"] == "FRAME_TOO_LARGE"
        assert await client.close_code() == CloseCode.TOO_LARGE
    async with opened(guarded) as websocket:
        websocket.transport.write(half)
        assert await ended(websocket) == (CloseCode.TOO_LARGE, [])


def frame_header(length: int) -> bytes:
    """Return what comes before a text that is masked with zeros."""
    return b"\x81\xff" + length.to_bytes(8) + bytes(4)


@pytest.mark.processes
async def test_whoever_goes_without_a_word_makes_room(guarded: ServerProcess, bridge_valkey: EmbeddedValkey) -> None:
    token = (await minted(bridge_valkey.url)).token
    async with (
        socket_to(guarded, "/ipc/herald", local_addr=HERE) as native,
        opened(guarded) as websocket,
    ):
        sid = json.loads((await polled(guarded)).text.removeprefix("0"))["sid"]
        assert (await refusal(guarded))[1] == 4503
        native.connection.transport.abort()
        await until_there_is_room(guarded, token)
        async with socket_to(guarded, "/ipc/herald", local_addr=HERE):
            assert (await refusal(guarded))[1] == 4503
            websocket.transport.abort()
            await until_there_is_room(guarded, token)
            async with socket_to(guarded, "/ipc/herald", local_addr=HERE):
                assert (await refusal(guarded))[1] == 4503
                assert (await polled(guarded, sid, content="1")).status_code == 200
                await until_there_is_room(guarded, token)
