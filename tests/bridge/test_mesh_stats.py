"""What the bridge tells of the mesh over HTTP, for a window that is one of four."""

import asyncio
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from tests.bridge.conftest import MakeBridge
from tests.clients import attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes


@pytest.mark.parametrize("query", ["window=61", "window=", "window=60s", "window=-60", "window=1e2", "windows=60"])
def test_a_query_that_makes_no_sense_is_refused(bridge: ServerProcess, query: str) -> None:
    response = bridge.get(f"/api/ipc/stats?{query}")
    assert (response.status_code, response.json()["error"]) == (400, "INVALID_MESSAGE")


@pytest.mark.parametrize("window", [60, 300, 3600, 86400])
def test_each_window_can_be_asked_for(bridge: ServerProcess, window: int) -> None:
    mesh = bridge.get(f"/api/ipc/stats?window={window}").json()["data"]["mesh"]
    assert mesh["window"] == window
    assert mesh["seconds"] >= window


async def mesh_of(bridge: ServerProcess) -> dict[str, Any]:
    response = await asyncio.to_thread(bridge.get, "/api/ipc/stats?window=60")
    mesh: dict[str, Any] = response.json()["data"]["mesh"]
    return mesh


async def test_what_a_service_does_is_in_the_figures(make_bridge: MakeBridge, own_valkey: EmbeddedValkey) -> None:
    """Events, what was refused at the door and after it, and the uses of the bypass."""
    with make_bridge(own_valkey.url) as bridge:
        async with attached(bridge, "herald", "post:*") as client:
            for _ in range(3):
                await client.ask(type="emit", event="post:created", ack=True)
            assert (await client.ask(type="emit", event="nonsense"))["code"] == "INVALID_EVENT"
            async with asyncio.timeout(15):
                while (mesh := await mesh_of(bridge))["totals"]["refused"] < 1 or not mesh["sessions"]:  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.1)
        assert mesh["totals"]["delivered"] == 3
        assert mesh["edges"] == [
            {"source": "exprsn-herald", "target": "exprsn-herald", "events": 3, "calls": 0, "callsFailed": 0}
        ]
        assert mesh["codes"] == [
            {"code": "INVALID_EVENT", "refused": {"exprsn-herald": 1}, "strangers": {}, "callsFailed": 0}
        ]
        assert mesh["bypassed"] == {"socket": 1}
        assert (mesh["hubs"], mesh["lagMs"]) == (1, 0)
