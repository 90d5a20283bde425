"""The ledger over HTTPS, at a bridge behind each server."""

import asyncio
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from ipc import IPCWorker
from ipc.protocol.ids import new_ulid
from ipc.transports.websocket import WebSocketTransport
from tests.clients import DEADLINE_S, attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
OPERATOR = {"X-IPC-Request": "true"}


async def get(bridge: ServerProcess, path: str) -> httpx.Response:
    return await asyncio.to_thread(bridge.get, f"/api/ipc/events/{path}", headers=OPERATOR)


async def status(bridge: ServerProcess, path: str) -> dict[str, Any]:
    response = await get(bridge, path)
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    return dict(response.json()["data"])


async def until(bridge: ServerProcess, event_id: str, group: str, state: str) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_S):
        while True:
            groups = (await status(bridge, event_id))["groups"]
            found = next((each for each in groups if each["group"] == group), None)
            if found is not None and found["state"] == state:
                return dict(found)


async def test_what_a_group_has_done_is_told(bridge: ServerProcess) -> None:
    """From the queue to the acknowledgement, in camelCase."""
    group, event_id = f"group-{new_ulid()}", new_ulid()
    async with attached(bridge, "atlas") as client:
        await client.ask(type="subscribe", events=["a:*"], group=group, credit=1, retry={"backoff_ms": [1]})
        ok = await client.ask(type="emit", id=event_id, event="a:one", target="atlas", ack=True)
        event = await client.event()
        delivered = await until(bridge, event_id, group, "delivered")
        assert (delivered["attempt"], delivered["maxAttempts"], delivered["offline"]) == (1, 2, False)
        await client.say({"type": "nack", "deliveries": [event["delivery"]], "reason": "busy", "retry_in_ms": 80_000})
        retrying = await until(bridge, event_id, group, "retrying")
        assert (retrying["error"], retrying["instance"].split(":")[0]) == ("busy", "exprsn-atlas")
        assert 70_000 < retrying["nextMs"] - retrying["sinceMs"] <= 80_000
        second = new_ulid()
        await client.ask(type="emit", id=second, event="a:two", target="atlas", ack=True)
        await client.say({"type": "ack", "deliveries": [(await client.event())["delivery"]]})
        acked = await until(bridge, second, group, "acked")
        assert {"ackedInMs", "ackedMs", "instance", "attempt"} <= acked.keys()
        head = await status(bridge, f"{event_id}?log=atlas&position={ok['position']}")
    assert (head["id"], head["event"], head["source"], head["target"]) == (
        event_id, "a:one", "exprsn-atlas", "exprsn-atlas",
    )  # fmt: skip
    assert head["logs"] == [{"log": "exprsn-atlas", "position": ok["position"], "inLog": True}]
    assert {"askedMs", "hasMore", "ts"} <= head.keys()


async def test_a_worker_asks_through_the_bridge(bridge: ServerProcess) -> None:
    group, worker = f"group-{new_ulid()}", IPCWorker("nexus")
    handled = asyncio.Event()

    @worker.on("nexus:*", group=group)
    async def handle(_data: Any, _ctx: Any) -> None:
        handled.set()

    await worker.start(WebSocketTransport(bridge.ws_url, "nexus", ca_file=bridge.ca_file))
    try:
        async with asyncio.timeout(DEADLINE_S):
            await worker.ready()
            event_id = new_ulid()
            position = await worker.emit("nexus:one", {"a": 1}, id=event_id, target="nexus")
            await handled.wait()
            while True:
                found = await worker.status(event_id)
                (ours,) = [each for each in found.groups if each.group == group]
                if ours.state == "acked":
                    break
    finally:
        await worker.stop()
    assert (found.event, found.logs[0].position, ours.attempt) == ("nexus:one", position, 1)
    over_http = await until(bridge, event_id, group, "acked")
    assert (over_http["ackedMs"], over_http["instance"]) == (ours.acked_ms, ours.instance)


async def test_an_id_of_two_services_is_a_conflict(bridge: ServerProcess) -> None:
    event_id = new_ulid()
    for service in ("atlas", "pulse"):
        async with attached(bridge, service) as client:
            await client.ask(type="emit", id=event_id, event="a:one", target="svr", ack=True)
    response = await get(bridge, event_id)
    assert (response.status_code, response.json()["error"]) == (409, "AMBIGUOUS_EVENT")
    assert response.json()["details"] == {"sources": ["exprsn-atlas", "exprsn-pulse"]}
    assert (await status(bridge, f"{event_id}?source=pulse"))["source"] == "exprsn-pulse"


@pytest.mark.parametrize("event_id", ["a/b", "a?b", "..", "%00", "\x1b[2J\t", "é%", '"}'])
async def test_an_id_may_be_any_text(bridge: ServerProcess, event_id: str) -> None:
    name = f"{event_id}{new_ulid()}"
    path = quote(name, safe="")
    assert (await get(bridge, path)).json()["error"] == "EVENT_NOT_FOUND"
    async with attached(bridge, "atlas") as client:
        await client.ask(type="emit", id=name, event="a:one", target="svr", ack=True)
    assert (await status(bridge, path))["id"] == name


@pytest.mark.parametrize(
    ("path", "code", "error"),
    [
        ("nothing", 404, "EVENT_NOT_FOUND"),
        ("x" * 65, 400, "INVALID_MESSAGE"),
        ("x" * 2_000, 400, "INVALID_MESSAGE"),
        ("", 404, "NOT_FOUND"),
        ("e1?source=nobody", 404, "UNKNOWN_SERVICE"),
        ("e1?source=", 400, "INVALID_MESSAGE"),
        ("e1?log=broadcast", 400, "INVALID_MESSAGE"),
        ("e1?position=1-0", 400, "INVALID_MESSAGE"),
        ("e1?log=broadcast&position=soon", 400, "INVALID_POSITION"),
        ("e1?log=broadcast&position=99999999999999-0", 404, "EVENT_NOT_FOUND"),
        ("e1?log=nobody&position=1-0", 404, "UNKNOWN_SERVICE"),
        ("e1?log=herald%2Fa%20b&position=1-0", 400, "INVALID_GROUP"),
        ("e1?colour=red", 400, "INVALID_MESSAGE"),
        (f"e1?source={'x' * 65}", 400, "INVALID_MESSAGE"),
        ("%ff%fe", 404, "EVENT_NOT_FOUND"),
        ("a%0Ab", 404, "NOT_FOUND"),
    ],
)
async def test_a_question_that_is_wrong_is_refused(bridge: ServerProcess, path: str, code: int, error: str) -> None:
    response = await get(bridge, path)
    assert (response.status_code, response.json()["error"]) == (code, error), response.text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_nothing_can_be_done_to_an_event(bridge: ServerProcess, method: str) -> None:
    def ask() -> httpx.Response:
        with httpx.Client(verify=bridge.trust, base_url=bridge.url, timeout=DEADLINE_S, trust_env=False) as client:
            return client.request(method, "/api/ipc/events/e1", headers=OPERATOR)

    response = await asyncio.to_thread(ask)
    assert (response.status_code, response.json()["error"]) == (405, "METHOD_NOT_ALLOWED")


async def test_events_are_for_operators(bridge: ServerProcess) -> None:
    assert (await asyncio.to_thread(bridge.get, "/api/ipc/events/e1")).status_code == 401
