"""The catalogue of a live bridge: what a worker has declared is in it, and AsyncAPI's own parser takes it."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Literal

import msgspec
import pytest

from ipc import IPCWorker
from ipc.protocol.declarations import MAX_BYTES, MAX_EVENTS, Declaration
from ipc.transports.websocket import WebSocketTransport
from tests.asyncapi_parser import faults
from tests.clients import DEADLINE_S, attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

OPERATOR = {"X-IPC-Request": "true"}


class Frame(msgspec.Struct):
    kind: Literal["key", "delta"]
    number: int


async def document(bridge: ServerProcess) -> Any:
    response = await asyncio.to_thread(bridge.get, "/api/ipc/asyncapi.json", headers=OPERATOR)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    return response


async def test_the_mesh_is_a_document_of_asyncapi(bridge: ServerProcess) -> None:
    """Declared through the socket, with what did not fit of what was emitted since."""
    live = IPCWorker("live")
    live.declare_event("frame:sent", schema=Frame, description="A frame.", examples=[{"kind": "key", "number": 1}])

    @live.resource("streams")
    class Streams:
        async def read(self, key: str) -> str:
            return key

    async with AsyncExitStack() as stack:
        await live.start(WebSocketTransport(bridge.ws_url, "live", ca_file=bridge.ca_file))
        stack.push_async_callback(live.stop)
        async with asyncio.timeout(DEADLINE_S):
            await live.ready()
        await stack.enter_async_context(attached(bridge, "pulse", "frame:*"))
        await live.emit("frame:sent", {"kind": "none", "number": 1})
        response = await document(bridge)
        found = response.json()
        services = await asyncio.to_thread(bridge.get, "/api/ipc/services?service=live", headers=OPERATOR)
    assert found["servers"]["bridge"]["host"] == bridge.url.removeprefix("https://")
    assert {"live.send.frame.sent", "pulse.receive.frame.sent", "live.streams.read"} <= set(found["operations"])
    message = found["components"]["messages"]["frame.sent.of-live"]
    assert message["x-drift"]["drifted"] >= 1
    assert message["x-drift"]["lastPointer"] == "/kind"
    (declared,) = services.json()["data"]["services"][0]["declares"]
    assert (declared["event"], declared["isChecked"], declared["drift"]["lastPointer"]) == ("frame:sent", True, "/kind")
    assert await asyncio.to_thread(faults, response.text) == []


async def test_as_much_may_be_declared_as_a_service_may_say(bridge: ServerProcess) -> None:
    """Together that is more than a frame holds."""
    gallery = IPCWorker("gallery")
    for number in range(MAX_EVENTS):
        event, schema = f"album:made{number}", {"type": "string"}
        rest = len(msgspec.json.encode(Declaration(event=event, schema=schema, examples=[""])))
        gallery.declare_event(event, schema=schema, examples=["x" * (MAX_BYTES - rest)])
    await gallery.start(WebSocketTransport(bridge.ws_url, "gallery", ca_file=bridge.ca_file))
    try:
        async with asyncio.timeout(DEADLINE_S):
            await gallery.ready()
        services = await asyncio.to_thread(bridge.get, "/api/ipc/services?service=gallery", headers=OPERATOR)
        (found,) = services.json()["data"]["services"]
        assert {each["event"] for each in found["declares"]} == {f"album:made{number}" for number in range(MAX_EVENTS)}
    finally:
        await gallery.stop()


def test_it_is_for_who_is_known_and_for_the_development_machine_itself(bridge: ServerProcess) -> None:
    assert bridge.get("/api/ipc/asyncapi.json").status_code == 200
    assert bridge.get("/api/ipc/asyncapi.json", headers={"X-Forwarded-For": "10.0.0.1"}).status_code == 401
