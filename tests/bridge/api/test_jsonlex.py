"""Expressions over HTTPS on live bridges, and filters over their sockets."""

import asyncio
from typing import Any

import httpx
import pytest

from ipc.protocol.ids import new_ulid
from tests.clients import attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

PERSON = {"firstName": "John", "lastName": "Doe", "age": 25}
EXPRESSION = {
    "fullName": {"$concat": [{"$var": "firstName"}, " ", {"$var": "lastName"}]},
    "isAdult": {"$gte": [{"$var": "age"}, 18]},
}


def asked(bridge: ServerProcess, body: Any, **options: Any) -> httpx.Response:
    options.setdefault("headers", {"X-IPC-Request": "true"})
    return bridge.request("POST", "/api/ipc/jsonlex", json=body, **options)


async def test_an_expression_is_evaluated(bridge: ServerProcess) -> None:
    body = {"expression": {"__jsonlex": True, "expr": EXPRESSION}, "context": PERSON}
    response = await asyncio.to_thread(asked, bridge, body)
    assert response.status_code == 200, response.text
    assert response.json() == {
        "success": True,
        "data": {"result": {"fullName": "John Doe", "isAdult": True}, "cost": response.json()["data"]["cost"]},
    }
    assert response.json()["data"]["cost"] > 1


@pytest.mark.parametrize("value", [None, 5, "text", [1], {"a": {"$var": "age"}}])
async def test_what_is_no_expression_is_its_own_result(bridge: ServerProcess, value: Any) -> None:
    response = await asyncio.to_thread(asked, bridge, {"expression": value})
    assert response.json()["data"] == {"result": value, "cost": 0}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"expression": {"__jsonlex": True, "expr": {"$nope": 1}}}, 400, "JSONLEX_INVALID"),
        ({"expression": {"__jsonlex": True, "expr": {"$gt": [1, "1"]}}}, 400, "JSONLEX_TYPE"),
        ({"expression": {"__jsonlex": True, "expr": [0] * 3_000}}, 413, "JSONLEX_TOO_LARGE"),
        ({}, 400, "INVALID_MESSAGE"),
        ([], 400, "INVALID_MESSAGE"),
        ({"expression": 1, "more": 2}, 400, "INVALID_MESSAGE"),
    ],
)
async def test_what_is_wrong_is_said(bridge: ServerProcess, body: Any, status: int, code: str) -> None:
    response = await asyncio.to_thread(asked, bridge, body)
    assert (response.status_code, response.json()["error"]) == (status, code), response.text
    if code != "INVALID_MESSAGE":
        assert "pointer" in response.json()["details"]


async def test_it_is_for_operators(bridge: ServerProcess) -> None:
    response = await asyncio.to_thread(asked, bridge, {"expression": 1}, headers={})
    assert response.status_code == 401


async def test_a_socket_filters_and_evaluates(bridge: ServerProcess) -> None:
    name = f"filter-{new_ulid()}"
    async with attached(bridge, "atlas") as client:
        where, select = {"$gt": [{"$var": "data.likes"}, 10]}, {"$var": "data.id"}
        await client.ask(type="subscribe", events=[f"{name}:*"], where=where, select=select)
        for number in range(4):
            await client.ask(type="emit", event=f"{name}:one", data={"id": number, "likes": 5 * number}, ack=True)
        assert (await client.event())["data"] == 3
        ok = await client.ask(type="jsonlex", expression={"__jsonlex": True, "expr": EXPRESSION}, context=PERSON)
        assert ok["result"] == {"fullName": "John Doe", "isAdult": True}
        error = await client.ask(type="subscribe", events=["a:b"], where={"$nope": 1})
        assert (error["code"], error["details"]) == ("JSONLEX_INVALID", {"pointer": "/$nope", "in": "where"})
