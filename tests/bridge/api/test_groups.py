"""Durable groups over HTTPS on live bridges, and what health says of a Redis that may lose them."""

import asyncio
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.ids import new_ulid
from ipc.stores.connection import connect
from tests.bridge.conftest import MakeBridge
from tests.clients import attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes


async def state_of(bridge: ServerProcess, group: str) -> dict[str, Any]:
    response = await asyncio.to_thread(bridge.get, "/api/ipc/groups", headers={"X-IPC-Request": "true"})
    assert response.status_code == 200, response.text
    (state,) = [state for state in response.json()["data"]["groups"] if state["group"] == group]
    return dict(state)


async def test_a_group_is_shown_with_what_it_has_to_do(bridge: ServerProcess) -> None:
    group = f"group-{new_ulid()}"
    async with attached(bridge, "atlas") as client:
        await client.ask(type="subscribe", events=[f"{group}:*"], group=group, credit=1)
        await client.ask(type="emit", event=f"{group}:one", target="atlas", ack=True)
        await client.event()
        async with asyncio.timeout(15):
            # The group comes to the end of both logs, but others write to the broadcast log meanwhile.
            while (state := await state_of(bridge, group))["lag"] != 0:
                pass
        assert 0 <= state.pop("oldestPendingMs") < 60_000
        assert state == {
            "service": "exprsn-atlas", "group": group, "hubs": 1, "pending": 1, "lag": 0, "lost": 0, "dead": 0,
        }  # fmt: skip


async def test_groups_are_for_operators(bridge: ServerProcess) -> None:
    assert bridge.get("/api/ipc/groups").status_code == 401


async def test_health_warns_of_a_redis_that_may_evict(make_bridge: MakeBridge, own_valkey: EmbeddedValkey) -> None:
    client = connect(own_valkey.url)
    try:
        await client.config_set("maxmemory-policy", "allkeys-lfu")
    finally:
        await client.aclose()
    with make_bridge(own_valkey.url) as bridge:
        async with asyncio.timeout(15):
            while "warnings" not in (
                found := (await asyncio.to_thread(bridge.get, "/health")).json()["checks"]["redis"]
            ):
                pass
        assert found["ok"]
        assert "maxmemory-policy" in found["warnings"][0]
    assert "it is allkeys-lfu" in bridge.output()
