"""Who is let in: the namespace, the origin, and the proof, on real servers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ipc.stores import keys
from ipc.stores.connection import connect
from tests import servers
from tests.bridge.conftest import MakeBridge
from tests.clients import attached, socket_to
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("path", ["/ipc/herald", "/ipc/exprsn-herald", "/ipc/herald/", "/ipc/herald?x=1"])
async def test_a_service_is_welcomed_by_either_name(bridge: ServerProcess, path: str) -> None:
    """The welcome carries the full name, an instance, a session and the limits, ``type`` first."""
    async with socket_to(bridge, path) as client:
        frame = str(await client.connection.recv())
        assert frame.startswith('{"type":"welcome"')
    async with socket_to(bridge, path) as client:
        welcome = await client.next()
    assert welcome["service"] == "exprsn-herald"
    assert welcome["instance"].startswith("exprsn-herald:")
    assert len(welcome["session"]) == 26
    assert welcome["limits"] == {"frame_bytes": 1_048_576, "data_bytes": 262_144, "messages_per_frame": 512}
    assert welcome["heartbeat_ms"] == 25_000


@pytest.mark.parametrize("path", ["/ipc/nobody", "/ipc/exprsn-", "/", "/ipc", "/ipc/", "/elsewhere/herald", "/ipc/a/b"])
async def test_an_address_without_a_service_gets_an_error_and_4404(bridge: ServerProcess, path: str) -> None:
    async with socket_to(bridge, path) as client:
        error = await client.next()
        assert (error["type"], error["code"], error["retryable"]) == ("error", "UNKNOWN_SERVICE", False)
        has_name = path.startswith("/ipc/") and path.count("/") == 2 and path != "/ipc/"
        assert ("there is no service" if has_name else "sockets are opened at /ipc/<service>") in error["message"]
        assert await client.close_code() == 4404


@pytest.mark.parametrize("origin", ["https://evil.example", "https://localhost.evil.example"])
async def test_a_page_of_a_foreign_site_gets_an_error_and_4403(bridge: ServerProcess, origin: str) -> None:
    async with socket_to(bridge, "/ipc/herald", additional_headers={"Origin": origin}) as client:
        assert (await client.next())["code"] == "FORBIDDEN"
        assert await client.close_code() == 4403


@pytest.mark.parametrize(
    "origin", ["https://localhost:3010", "http://127.0.0.1", "https://[::1]:3010", "https://console.localhost"]
)
async def test_a_page_of_an_allowed_host_is_let_in(bridge: ServerProcess, origin: str) -> None:
    async with attached(bridge, "herald", additional_headers={"Origin": origin}) as client:
        assert await client.is_well()


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(None, None), (["exprsn.ipc.v1"], "exprsn.ipc.v1"), (["other", "exprsn.ipc.v1"], "exprsn.ipc.v1")],
)
async def test_the_subprotocol_is_chosen_where_it_is_offered(
    bridge: ServerProcess, offered: list[str] | None, chosen: str | None
) -> None:
    options: dict[str, Any] = {} if offered is None else {"subprotocols": offered}
    async with attached(bridge, "herald", **options) as client:
        assert client.connection.subprotocol == chosen


async def test_what_a_client_says_of_its_process_is_shown(bridge: ServerProcess) -> None:
    """An instance keeps its name over its connections."""
    instance = "01J0000000000000000000TEST"
    headers = {"X-IPC-Pid": "4711", "X-IPC-Hostname": "host-a", "X-IPC-Instance": instance}
    async with socket_to(bridge, "/ipc/atlas", additional_headers=headers) as client:
        assert (await client.next())["instance"] == f"exprsn-atlas:{instance}"


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
async def test_what_came_through_a_proxy_needs_a_proof_though_the_proxy_is_on_this_machine(
    bridge: ServerProcess, header: str
) -> None:
    """uvicorn believes such a proxy, so that whoever is behind it could even say that it is this machine."""
    async with socket_to(bridge, "/ipc/herald", additional_headers={header: "127.0.0.1"}) as client:
        await client.say({"type": "auth", "token": "any"})
        assert (await client.next())["code"] == "TOKEN_INVALID"
        assert await client.close_code() == 4401
    asked = {"X-IPC-Request": "true", header: "127.0.0.1"}
    assert (await asyncio.to_thread(bridge.get, "/api/ipc/groups", headers=asked)).status_code == 401


def test_a_header_that_is_there_twice_asks_for_nothing(bridge: ServerProcess) -> None:
    assert bridge.get("/api/ipc/groups", headers=[("X-IPC-Request", "true")]).status_code == 200
    assert bridge.get("/api/ipc/groups", headers=[("X-IPC-Request", "true")] * 2).status_code == 401


async def test_the_trail_has_who_was_let_in_without_a_proof(redis_url: str, certs_dir: Path, tmp_path: Path) -> None:
    with servers.bridge("uvicorn", redis_url, certs_dir, tmp_path / "bridge") as bridge:
        async with attached(bridge, "nexus"), attached(bridge, "nexus"), connect(redis_url) as client:
            # Fails where nothing comes for so long.
            found: Any = await client.xread({keys.AUDIT: "0"}, block=10_000)
            ((_, entries),) = found
            said = [(fields[b"action"], fields[b"subject"], fields[b"details"]) for _, fields in entries]
            assert said == [(b"bypass.used", b"exprsn-nexus", b'{"kind":"socket"}')]


class TestWithoutBypass:
    """A bridge that asks for a proof."""

    async def test_only_auth_is_understood_and_only_for_a_while(
        self, make_bridge: MakeBridge, bridge_valkey: Any
    ) -> None:
        with make_bridge(bridge_valkey.url, IPC_BYPASS_AUTH="false", IPC_AUTH_TIMEOUT="300") as bridge:
            for first, code, close_code in (
                (None, "AUTH_TIMEOUT", 4408),
                ('{"type":"auth","token":"any"}', "TOKEN_INVALID", 4401),
                ('{"type":"emit","event":"a:b"}', "UNAUTHENTICATED", 4401),
                ('{"type":"auth"}', "UNAUTHENTICATED", 4401),
                ("no json", "INVALID_JSON", 4400),
                (b"\x00", "INVALID_JSON", 4400),
                (" " * 1_048_577, "FRAME_TOO_LARGE", 4413),
            ):
                async with socket_to(bridge, "/ipc/herald") as client:
                    if first is not None:
                        await client.raw(first)
                    error = await client.next()
                    assert (error["code"], await client.close_code()) == (code, close_code), first
            async with socket_to(bridge, "/ipc/herald"):
                pass
            assert bridge.get("/api/ipc/stats").json()["data"]["activeConnections"] == 0
        assert "Traceback" not in bridge.output()
