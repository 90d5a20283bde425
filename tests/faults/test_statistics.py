"""Statistics over processes that die, and over a Redis that does."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.ids import new_ulid
from tests import servers
from tests.clients import attached
from tests.faults.conftest import DEADLINE_S
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

Mesh = dict[str, Any]


@pytest.fixture
def another_bridge(own_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    """A second one in the same mesh."""
    with servers.bridge("uvicorn", own_valkey.url, certs_dir, tmp_path / "another") as server:
        yield server


async def until(bridge: ServerProcess, is_so: Callable[[Mesh], bool]) -> Mesh:
    """Ask until the figures are as they should be."""
    found: Mesh = {}
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                response = await asyncio.to_thread(bridge.get, "/api/ipc/stats?window=300")
                if response.status_code == 200 and is_so(found := response.json()["data"]["mesh"]):
                    return found
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"the figures stay {found}") from None


def emitted(mesh: Mesh, service: str) -> int:
    return next((each["emitted"] for each in mesh["services"] if each["service"] == service), 0)


async def emit(bridge: ServerProcess, service: str, count: int) -> None:
    """Emit so many events, each again with its id until it is in the log."""
    async with attached(bridge, service) as client:
        for _ in range(count):
            event = {"type": "emit", "event": "count:up", "target": "herald", "ack": True, "id": new_ulid()}
            while (answer := await client.ask(**event))["type"] != "ok":
                assert answer["retryable"], answer


async def test_two_bridges_are_summed_and_one_that_is_killed_is_gone(
    bridge: ServerProcess, another_bridge: ServerProcess
) -> None:
    """Its sessions and itself within seconds; what it has counted stays, since it has happened."""
    async with attached(bridge, "herald", "count:*") as herald, attached(another_bridge, "vault", "count:*"):
        await emit(bridge, "spark", 3)
        await emit(another_bridge, "spark", 4)
        await herald.events(7)

        def is_whole(mesh: Mesh) -> bool:
            return emitted(mesh, "exprsn-spark") == 7 and (mesh["hubs"], mesh["sessions"]) == (2, 2)

        for server in (bridge, another_bridge):
            mesh = await until(server, is_whole)
            assert mesh["totals"]["delivered"] == 7
        another_bridge.kill()
        mesh = await until(bridge, lambda mesh: (mesh["hubs"], mesh["sessions"]) == (1, 1))
        assert emitted(mesh, "exprsn-spark") == 7
        # If it led, another hub looks now.
        sampled_ms = mesh["sampledMs"] or 0
        await until(bridge, lambda mesh: (mesh["sampledMs"] or 0) > sampled_ms)


async def test_redis_that_was_restarted_has_what_there_was_and_what_comes(
    bridge: ServerProcess, own_valkey: EmbeddedValkey
) -> None:
    await emit(bridge, "spark", 5)
    await until(bridge, lambda mesh: emitted(mesh, "exprsn-spark") == 5)
    own_valkey.kill()
    await asyncio.to_thread(bridge.becomes, 503)
    own_valkey.start()
    await asyncio.to_thread(bridge.becomes, 200)
    await emit(bridge, "spark", 2)
    await until(bridge, lambda mesh: emitted(mesh, "exprsn-spark") == 7)


async def test_redis_that_has_lost_everything_fills_again(bridge: ServerProcess, own_valkey: EmbeddedValkey) -> None:
    """From the steps that are under way, which are written whole."""
    await emit(bridge, "spark", 5)
    await until(bridge, lambda mesh: emitted(mesh, "exprsn-spark") == 5)
    async with redis.Redis.from_url(own_valkey.url) as client:
        await client.flushall()
    await emit(bridge, "spark", 2)
    mesh = await until(bridge, lambda mesh: emitted(mesh, "exprsn-spark") >= 2 and mesh["hubs"] == 1)
    assert emitted(mesh, "exprsn-spark") in {2, 7}
