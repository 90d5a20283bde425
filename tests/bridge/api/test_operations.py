"""Long operations over HTTP on live bridges: seen while they run, and cancelled, also by their token."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from ipc import CancelledByOperator, IPCWorker, Operation
from ipc.transports.tokens import GivenToken
from ipc.transports.websocket import WebSocketTransport
from tests.bridge.conftest import MakeBridge
from tests.bridge.tokens import LOCKED, managed, minted
from tests.clients import DEADLINE_S, attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

OPERATOR = {"X-IPC-Request": "true"}


@asynccontextmanager
async def worker_at(bridge: ServerProcess, *, token: str = "") -> AsyncIterator[IPCWorker]:
    worker = IPCWorker("workflow")
    tokens = GivenToken(token) if token else None
    await worker.start(WebSocketTransport(bridge.ws_url, "workflow", ca_file=bridge.ca_file, tokens=tokens))
    try:
        async with asyncio.timeout(DEADLINE_S):
            await worker.ready()
        yield worker
    finally:
        await worker.stop()


async def waiting(worker: IPCWorker, begun: "asyncio.Future[Operation]") -> None:
    async with worker.operation("import", target="nexus", total=4) as operation:
        await operation.progress(1, "page 1 of 4")
        begun.set_result(operation)
        await asyncio.Event().wait()


async def asked(bridge: ServerProcess, method: str, path: str, **options: Any) -> Any:
    return await asyncio.to_thread(bridge.request, method, f"/api/ipc/operations{path}", headers=OPERATOR, **options)


async def test_an_operation_is_seen_and_cancelled(bridge: ServerProcess) -> None:
    begun: asyncio.Future[Operation] = asyncio.get_running_loop().create_future()
    async with worker_at(bridge) as worker, attached(bridge, "nexus", "operation:*") as target:
        task = asyncio.create_task(waiting(worker, begun))
        async with asyncio.timeout(DEADLINE_S):
            operation = await begun
        event = await target.event()
        assert (event["event"], event["source"], event["data"]["percent"]) == (
            "operation:progress",
            "exprsn-workflow",
            25.0,
        )
        listed = (await asked(bridge, "GET", "?service=workflow")).json()["data"]
        (found,) = [each for each in listed["operations"] if each["id"] == operation.id]
        assert (found["status"], found["text"], found["target"]) == ("running", "page 1 of 4", "exprsn-nexus")
        response = await asked(bridge, "POST", f"/{operation.id}/cancel")
        assert response.json()["data"]["status"] == "cancelled", response.text
        async with asyncio.timeout(DEADLINE_S):
            with pytest.raises(CancelledByOperator):
                await task
        assert (await target.event())["event"] == "operation:cancelled"
        again = await asked(bridge, "POST", f"/{operation.id}/cancel")
    assert (again.status_code, again.json()["data"]["error"]) == (200, "cancelled by operator dev-user")


async def test_who_revokes_the_token_cancels_the_operation(make_bridge: MakeBridge, redis_url: str) -> None:
    """By its id, as `manage.py brokertoken` does, at a bridge that lets nobody in without a token."""
    begun: asyncio.Future[Operation] = asyncio.get_running_loop().create_future()
    with make_bridge(redis_url, **LOCKED) as bridge:
        token = (await minted(redis_url, "workflow")).token
        async with worker_at(bridge, token=token) as worker:
            task = asyncio.create_task(waiting(worker, begun))
            async with asyncio.timeout(DEADLINE_S):
                operation = await begun
            page = await managed(redis_url, lambda manager: manager.find("workflow"))
            assert operation.id in [record.claims.id for record in page.tokens]
            await managed(redis_url, lambda manager: manager.revoke(operation.id, by="operator ada"))
            async with asyncio.timeout(DEADLINE_S):
                with pytest.raises(CancelledByOperator):
                    await task
            # The session itself goes on.
            (found,) = await worker.operations()
    assert (found.status, found.error) == ("cancelled", "its handle was revoked")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "?service=nobody", 404),
        ("GET", "?other=1", 400),
        ("POST", "", 405),
        ("POST", "/01J0000000000000000000000/cancel", 404),
        ("GET", "/01J0000000000000000000000/cancel", 405),
    ],
)
async def test_what_makes_no_sense_is_refused(bridge: ServerProcess, method: str, path: str, status: int) -> None:
    response = await asked(bridge, method, path, **({"json": {}} if method == "POST" else {}))
    assert response.status_code == status, response.text


def test_they_are_for_operators(bridge: ServerProcess) -> None:
    assert bridge.get("/api/ipc/operations").status_code == 401
    assert bridge.request("POST", f"/api/ipc/operations/{time.time_ns()}/cancel").status_code == 401
