"""The bridge over HTTPS: health with the checks behind it, and the statistics in their exact shape."""

import asyncio
import os
import socket
import time
from datetime import datetime
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from tests.bridge.conftest import MakeBridge
from tests.clients import attached, socket_to
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes


def test_health_says_what_is_behind_it(bridge: ServerProcess) -> None:
    response = bridge.get("/health")
    health = response.json()
    assert response.status_code == 200
    assert response.headers["cache-control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    timestamp = datetime.fromisoformat(health.pop("timestamp"))
    assert abs(timestamp.timestamp() - time.time()) < 60
    assert health == {
        "status": "healthy",
        "service": "exprsn-bridge",
        "version": "0.1.0",
        "checks": {"database": {"ok": True}, "redis": {"ok": True}, "log": {"ok": True, "lagMs": 0}},
    }


@pytest.mark.parametrize("path", ["/health", "/api/ipc/stats"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_only_answers_questions_takes_nothing_else(bridge: ServerProcess, method: str, path: str) -> None:
    response = bridge.request(method, path)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")
    assert bridge.request("HEAD", path).status_code == 200


def test_an_address_that_does_not_exist_is_json_below_api(bridge: ServerProcess) -> None:
    response = bridge.get("/api/nothing")
    assert (response.status_code, response.json()["error"]) == (404, "NOT_FOUND")


def test_a_host_that_is_not_ours_is_refused(bridge: ServerProcess) -> None:
    assert bridge.get("/health", headers={"Host": "evil.example"}).status_code == 400


async def stats(bridge: ServerProcess) -> dict[str, Any]:
    response = await asyncio.to_thread(bridge.get, "/api/ipc/stats")
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    # What the mesh does is in a member of its own, and tested with `bridge.mesh_stats`.
    assert answer["data"].pop("mesh")["window"] == 300
    return answer


async def until(bridge: ServerProcess, service: str, sessions: int) -> dict[str, Any]:
    """Ask until a service has so many sessions, and return the statistics."""
    async with asyncio.timeout(15):
        while True:
            found = await stats(bridge)
            if sum(entry["service"] == service for entry in found["data"]["connections"]) == sessions:
                return found


async def test_statistics_have_the_exact_shape(make_bridge: MakeBridge, own_valkey: EmbeddedValkey) -> None:
    """Empty, then with two instances of one service and one of another, then empty again."""
    rate_limits = {"enabled": False, "window": 60_000, "maxRequests": 1_000, "maxExempt": 600_000}
    empty = {
        "success": True,
        "data": {
            "activeServices": 0,
            "services": [],
            "activeConnections": 0,
            "connections": [],
            "rateLimits": rate_limits,
        },
    }
    begun_ms = time.time_ns() // 1_000_000
    headers = {"X-IPC-Pid": str(os.getpid()), "X-IPC-Hostname": socket.gethostname()}
    with make_bridge(own_valkey.url) as bridge:
        assert await stats(bridge) == empty
        async with socket_to(bridge, "/ipc/herald", additional_headers=headers) as client:
            session = (await client.next())["session"]
            found = await until(bridge, "exprsn-herald", 1)
            (service,), (connection,) = found["data"]["services"], found["data"]["connections"]
            now_ms = time.time_ns() // 1_000_000
            times = [service.pop("registered"), service.pop("lastSeen")]
            times += [connection.pop("connected"), connection.pop("lastActivity")]
            assert all(begun_ms <= moment <= now_ms for moment in times)
            assert service == {
                "name": "exprsn-herald",
                "namespace": "/ipc/herald",
                "pid": os.getpid(),
                "hostname": socket.gethostname(),
            }
            assert connection == {"id": session, "service": "exprsn-herald"}
            async with attached(bridge, "herald"), attached(bridge, "timeline"):
                await until(bridge, "exprsn-herald", 2)
                data = (await until(bridge, "exprsn-timeline", 1))["data"]
                assert (data["activeServices"], data["activeConnections"]) == (2, 3)
                assert [entry["name"] for entry in data["services"]] == ["exprsn-herald", "exprsn-timeline"]
        await until(bridge, "exprsn-timeline", 0)
        assert await until(bridge, "exprsn-herald", 0) == empty


async def test_many_short_visits_leave_nothing_behind(bridge: ServerProcess) -> None:
    """A session that leaves at once is not registered behind its own removal."""

    async def visit() -> None:
        async with socket_to(bridge, "/ipc/workflow") as client:
            await client.next()

    for _ in range(5):
        await asyncio.gather(*(visit() for _ in range(20)))
    await until(bridge, "exprsn-workflow", 0)


async def test_without_redis_everything_says_so_and_comes_back(
    make_bridge: MakeBridge, own_valkey: EmbeddedValkey
) -> None:
    """503 with a code while Redis is gone, frozen or gone again; sockets stay, and their requests are answered."""
    with make_bridge(own_valkey.url) as bridge:
        async with attached(bridge, "herald", "redis:*") as client:
            own_valkey.stop()
            await asyncio.to_thread(bridge.becomes, 503)
            health = bridge.get("/health").json()
            assert health["status"] == "unhealthy"
            assert health["checks"]["redis"] == {"ok": False, "error": "Redis is out of reach"}
            assert health["checks"]["database"] == {"ok": True}
            response = bridge.get("/api/ipc/stats")
            assert (response.status_code, response.json()["error"]) == (503, "UNAVAILABLE")
            error = await client.ask(type="emit", event="redis:gone", ack=True)
            assert (error["code"], error["retryable"]) == ("UNAVAILABLE", True)
            own_valkey.start()
            await asyncio.to_thread(bridge.becomes, 200)
            own_valkey.pause()
            try:
                response = bridge.get("/health")
                assert response.status_code == 503
                error = await client.ask(type="emit", event="redis:frozen", ack=True)
                assert (error["code"], error["retryable"]) == ("TIMEOUT", True), error
            finally:
                own_valkey.resume()
            await asyncio.to_thread(bridge.becomes, 200)
            ok = await client.ask(type="emit", event="redis:back", ack=True)
            assert ok["type"] == "ok"
            while (await client.event())["event"] != "redis:back":
                pass
        assert bridge.terminate() == 0
    assert "Traceback" not in bridge.output()
