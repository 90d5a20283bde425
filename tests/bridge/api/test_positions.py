"""Positions over HTTPS: from a moment to where a subscription begins, without a gap."""

import asyncio

import httpx
import pytest

from tests.clients import attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes


async def get(bridge: ServerProcess, query: str) -> httpx.Response:
    headers = {"X-IPC-Request": "true"}
    return await asyncio.to_thread(bridge.get, f"/api/ipc/positions?{query}", headers=headers)


async def test_a_subscription_goes_on_from_a_moment(bridge: ServerProcess) -> None:
    async with attached(bridge, "workflow") as client:
        ok = await client.ask(type="emit", id="p1", event="a:one", target="workflow", ack=True)
        positions = (await get(bridge, "since=1h&service=workflow")).json()["data"]["positions"]
        assert set(positions) == {"broadcast", "exprsn-workflow"}
        answer = await client.ask(type="subscribe", events=["a:*"], since=positions)
        assert (answer["type"], answer["recovered"]) == ("ok", True)
        # Other tests have emitted within the hour, too.
        while (await client.event())["position"] != ok["position"]:
            pass


@pytest.mark.parametrize(
    ("query", "code", "error"),
    [
        ("", 400, "INVALID_MESSAGE"),
        ("since=soon", 400, "INVALID_MESSAGE"),
        ("since=1h&service=nobody", 404, "UNKNOWN_SERVICE"),
        ("since=1h&colour=red", 400, "INVALID_MESSAGE"),
    ],
)
async def test_what_is_wrong_is_refused(bridge: ServerProcess, query: str, code: int, error: str) -> None:
    response = await get(bridge, query)
    assert (response.status_code, response.json()["error"]) == (code, error)


async def test_positions_are_only_read_and_for_operators(bridge: ServerProcess) -> None:
    assert (await asyncio.to_thread(bridge.get, "/api/ipc/positions?since=1h")).status_code == 401
    response = await asyncio.to_thread(bridge.request, "POST", "/api/ipc/positions?since=1h")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
