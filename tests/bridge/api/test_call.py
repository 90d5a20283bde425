"""Calling over HTTPS as a script does it, at a bridge behind each server, with an owner on a socket."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from tests.clients import Client, attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
OPERATOR = {"X-IPC-Request": "true"}
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def post(bridge: ServerProcess, body: Any, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {"Content-Type": "application/json", **OPERATOR, **headers}
    return await asyncio.to_thread(bridge.request, "POST", "/api/ipc/call?service=spark", content=content, headers=sent)


async def serving(owner: Client, resource: str) -> None:
    ops = ["create", "read", "wait"]
    assert (await owner.ask(type="serve", resources=[{"name": resource, "ops": ops}]))["type"] == "ok"


async def answered(bridge: ServerProcess, body: dict[str, Any], reply: dict[str, Any]) -> tuple[Any, httpx.Response]:
    """Call a resource of an owner that gives one reply; return what the owner was asked, and the answer."""
    async with attached(bridge, "gallery") as owner:
        await serving(owner, "pictures")
        calling = asyncio.create_task(post(bridge, {"resource": "pictures", "op": "read", **body}, traceparent=TRACE))
        call = await owner.hear(lambda heard: heard["type"] == "call")
        await owner.say({"type": "reply", "id": call["id"], **reply})
        return call, await calling


async def test_the_owner_is_asked_and_its_reply_is_the_answer(bridge: ServerProcess) -> None:
    body = {"key": 7, "query": {"a": 1}, "data": [1.5], "timeout_ms": 9_000, "idempotency_key": "k", "jsonlex": True}
    call, response = await answered(bridge, {**body, "meta": {"m": 1}}, {"data": {"é": [1.50, None]}})
    assert (response.status_code, response.json()) == (200, {"success": True, "data": {"é": [1.5, None]}})
    assert response.headers["cache-control"] == "no-store"
    assert 0 < call.pop("deadline_ms") <= 9_000
    assert call.pop("traceparent")[:36] == TRACE[:36]
    del call["id"], body["timeout_ms"]
    assert call == {
        "type": "call", "op": "read", "resource": "pictures", "source": "exprsn-spark", "meta": {"m": 1},
        **body,
    }  # fmt: skip


async def test_a_number_without_a_fraction_is_whole(bridge: ServerProcess) -> None:
    call, response = await answered(bridge, {"key": 7.0, "timeout_ms": 9_000.0}, {})
    assert (response.status_code, call["key"], type(call["key"])) == (200, 7, int)


async def test_no_data_is_null(bridge: ServerProcess) -> None:
    _, response = await answered(bridge, {}, {})
    assert response.json() == {"success": True, "data": None}


@pytest.mark.parametrize(
    ("error", "status", "after"),
    [
        ({"code": "VALIDATION_FAILED", "message": "no", "details": {"title": ["too long"]}}, 400, None),
        ({"code": "NOT_FOUND", "message": "no"}, 404, None),
        ({"code": "OVERLOADED", "message": "no", "retry_after_ms": 1_500}, 503, "2"),
        ({"code": "TOKEN_REVOKED", "message": "no"}, 403, None),
        ({"code": "UNAUTHENTICATED", "message": "no"}, 403, None),
        ({"code": "OUT_OF_PAINT", "message": "no", "details": [1]}, 400, None),
        ({"code": "OUT_OF_PAINT", "message": "no", "retryable": True, "retry_after_ms": 1}, 503, "1"),
    ],
)
async def test_an_error_of_the_owner_keeps_its_code(
    bridge: ServerProcess, error: dict[str, Any], status: int, after: str | None
) -> None:
    _, response = await answered(bridge, {}, {"error": error})
    assert (response.status_code, response.headers.get("retry-after")) == (status, after)
    assert "www-authenticate" not in response.headers
    assert response.json() == {
        "success": False, "error": error["code"], "message": "no", "details": error.get("details"),
    }  # fmt: skip


@pytest.mark.parametrize("after_ms", [-1, 86_400_001, 10**400, "soon", 0.5])
async def test_an_owner_that_names_no_sensible_time_to_wait_is_refused(bridge: ServerProcess, after_ms: Any) -> None:
    """It is told so, and its caller need not wait for another reply."""
    error = {"code": "OVERLOADED", "message": "no", "retry_after_ms": after_ms}
    _, response = await answered(bridge, {}, {"error": error})
    assert (response.status_code, response.json()["error"]) == (500, "INTERNAL")
    assert "was refused" in response.json()["message"]


async def test_a_client_that_goes_away_takes_its_call_back(bridge: ServerProcess) -> None:
    async with attached(bridge, "gallery") as owner:
        await serving(owner, "pictures")
        async with httpx.AsyncClient(base_url=bridge.url, verify=bridge.trust, trust_env=False) as client:
            body = {"resource": "pictures", "op": "wait", "timeout_ms": 60_000}
            calling = asyncio.create_task(client.post("/api/ipc/call", json=body, headers=OPERATOR, timeout=60))
            call = await owner.hear(lambda heard: heard["type"] == "call")
            calling.cancel()
        assert (await owner.hear(lambda heard: heard["type"] == "cancel"))["id"] == call["id"]


@pytest.mark.parametrize(
    ("body", "code", "error"),
    [
        (b"", 400, "INVALID_JSON"),
        (b"[]", 400, "INVALID_MESSAGE"),
        ({"resource": "pictures"}, 400, "INVALID_MESSAGE"),
        ({"resource": "pictures", "op": "read", "id": "1"}, 400, "INVALID_MESSAGE"),
        ({"resource": "pictures", "op": "read", "source": "auth"}, 400, "INVALID_MESSAGE"),
        ({"resource": "a b", "op": "read"}, 400, "INVALID_RESOURCE"),
        ({"resource": "pictures", "op": "read", "timeout_ms": 0}, 400, "INVALID_MESSAGE"),
        ({"resource": "pictures", "op": "read", "timeout_ms": 60_001}, 400, "INVALID_MESSAGE"),
        ({"resource": "pictures", "op": "read", "timeout_ms": 0.5}, 400, "INVALID_MESSAGE"),
        ({"resource": "pictures", "op": "read", "key": 1.5}, 400, "INVALID_MESSAGE"),
        ({"resource": "pictures", "op": "read", "key": [1]}, 400, "INVALID_MESSAGE"),
        ({"resource": "pictures", "op": "read", "target": "nobody"}, 404, "UNKNOWN_SERVICE"),
        ({"resource": "nothing-there", "op": "read"}, 503, "NO_OWNER"),
        ({"resource": "pictures", "op": "read", "data": "x" * 300_000}, 413, "DATA_TOO_LARGE"),
        (b" " * 1_048_577, 413, "FRAME_TOO_LARGE"),
    ],
    ids=str,
)
async def test_what_is_wrong_is_refused_with_its_code(bridge: ServerProcess, body: Any, code: int, error: str) -> None:
    response = await post(bridge, body)
    assert (response.status_code, response.json()["error"]) == (code, error), response.text


async def test_an_owner_that_says_nothing_is_waited_for_no_longer_than_asked(bridge: ServerProcess) -> None:
    async with attached(bridge, "gallery") as owner:
        await serving(owner, "pictures")
        response = await post(bridge, {"resource": "pictures", "op": "wait", "timeout_ms": 50})
    assert (response.status_code, response.json()["error"]) == (504, "TIMEOUT")


async def test_calling_is_for_operators_and_takes_json(bridge: ServerProcess) -> None:
    body = {"resource": "pictures", "op": "read"}
    response = await asyncio.to_thread(bridge.request, "POST", "/api/ipc/call", json=body)
    assert (response.status_code, response.json()["error"]) == (401, "UNAUTHENTICATED")
    typed = await post(bridge, body, **{"Content-Type": "text/plain"})
    assert (typed.status_code, typed.json()["error"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
