"""Discovery and explaining over HTTPS on live bridges."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from ipc import IPCError, IPCWorker
from ipc.protocol.ids import new_ulid
from ipc.transports.websocket import WebSocketTransport
from tests.clients import DEADLINE_S, attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

OPERATOR = {"X-IPC-Request": "true"}


async def services(bridge: ServerProcess, query: str = "") -> dict[str, Any]:
    response = await asyncio.to_thread(bridge.get, f"/api/ipc/services{query}", headers=OPERATOR)
    assert response.status_code == 200, response.text
    return dict(response.json()["data"])


async def explained(bridge: ServerProcess, **event: Any) -> httpx.Response:
    return await asyncio.to_thread(bridge.request, "POST", "/api/ipc/explain", headers=OPERATOR, json=event)


def letters(name: str) -> IPCWorker:
    worker = IPCWorker("gallery", version="4.5.6")

    @worker.resource(name)
    class Letters:
        async def read(self, key: str) -> str:
            if key == "none":
                raise ValueError("a bug")
            return key

    return worker


async def test_a_service_is_shown_with_what_it_says_of_itself_and_how_calls_to_it_do(bridge: ServerProcess) -> None:
    name = f"letters-{new_ulid().lower()}"
    async with AsyncExitStack() as stack:
        owner, caller = letters(name), IPCWorker("atlas")
        for worker in (owner, caller):
            transport = WebSocketTransport(
                bridge.ws_url, worker.service, ca_file=bridge.ca_file, version=worker.version
            )
            await worker.start(transport)
            stack.push_async_callback(worker.stop)
            async with asyncio.timeout(DEADLINE_S):
                await worker.ready()
        assert await caller.read(name, key="1") == "1"
        with pytest.raises(IPCError):
            await caller.read(name, key="none")
        found = await services(bridge, "?service=gallery")
        over_socket = await caller.services("gallery")
    (service,) = found["services"]
    (instance,) = service["instances"]
    assert (service["name"], service["namespace"], service["instanceCount"]) == ("exprsn-gallery", "/ipc/gallery", 1)
    assert (instance["version"], instance["resources"]) == ("4.5.6", [{"name": name, "ops": ["read"]}])
    (figures,) = [each for each in service["endpoints"] if each["resource"] == name]
    assert (figures["op"], figures["requests"], figures["errors"]) == ("read", 2, 1)
    assert figures["meanMs"] > 0
    assert figures["lastError"].startswith("INTERNAL")
    (state,) = [each for each in service["owners"] if each["resource"] == name]
    assert (state["breaker"], state["inFlight"], state["breakerFailures"]) == ("closed", 0, 5)
    assert [each.instances[0].instance for each in over_socket] == [instance["instance"]]


@pytest.mark.parametrize("version", ["1.0 <script>", "x" * 65, ""])
async def test_a_version_that_is_none_is_not_shown(bridge: ServerProcess, version: str) -> None:
    async with attached(bridge, "svr", additional_headers={"X-IPC-Version": version}):
        (service,) = (await services(bridge, "?service=svr"))["services"]
    assert {instance["version"] for instance in service["instances"]} == {""}


async def test_an_event_is_explained(bridge: ServerProcess) -> None:
    """By its patterns and conditions, and nothing of it is emitted."""
    resource = f"x{new_ulid().lower()}"
    async with attached(bridge, "vault") as client:
        await client.ask(type="subscribe", events=[f"{resource}:*"], where={"$eq": [{"$var": "data.n"}, 1]})
        for n, gets, reason in ((1, True, "match"), (2, False, "where")):
            response = await explained(bridge, event=f"{resource}:one", data={"n": n}, target="vault")
            assert response.status_code == 200, response.text
            found = response.json()["data"]
            (verdict,) = [each for each in found["live"] if each["service"] == "exprsn-vault"]
            assert (verdict["gets"], verdict["reason"]) == (gets, reason)
        assert await client.is_well()
        assert not [message for message in client._kept if message["type"] == "event"]
    assert found["target"] == ["exprsn-vault"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"event": 7},
        {"event": "nothing"},
        {"event": "a:b", "target": 7},
        {"event": "a:b", "target": ["nobody"]},
        {"event": "a:b", "source": "nobody"},
        {"event": "a:b", "meta": [1]},
        {"event": "a:b", "extra": 1},
        {"event": "a:b", "data": "x" * 300_000},
    ],
)
async def test_what_is_no_event_is_refused(bridge: ServerProcess, body: Any) -> None:
    response = await asyncio.to_thread(bridge.request, "POST", "/api/ipc/explain", headers=OPERATOR, json=body)
    assert 400 <= response.status_code < 500, response.text
    assert response.json()["success"] is False


async def test_what_is_asked_of_services_is_checked(bridge: ServerProcess) -> None:
    for query, status in (("?service=nobody", 404), ("?other=1", 400)):
        response = await asyncio.to_thread(bridge.get, f"/api/ipc/services{query}", headers=OPERATOR)
        assert response.status_code == status


def test_a_stranger_explains_nothing(bridge: ServerProcess) -> None:
    assert bridge.request("POST", "/api/ipc/explain", json={"event": "a:b"}).status_code == 401
