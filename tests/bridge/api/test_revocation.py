"""Operators list and revoke tokens over HTTPS: what is revoked lets nobody in, and closes what it had let in."""

import asyncio
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from exprsn.embedded import EmbeddedValkey
from ipc.stores import keys
from ipc.stores.connection import connect
from tests.bridge.tokens import bearer, minted
from tests.clients import attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
PATH = "/api/ipc/tokens"


@pytest.fixture
async def operator(bridge_valkey: EmbeddedValkey) -> dict[str, str]:
    """The header of an operator's program."""
    token = (await minted(bridge_valkey.url, "bridge", permissions=["*"])).token
    return {"Authorization": f"Bearer {token}"}


async def ask(server: ServerProcess, method: str, path: str, headers: dict[str, str], **options: Any) -> httpx.Response:
    return await asyncio.to_thread(server.request, method, path, headers=headers, **options)


async def holds(server: ServerProcess, token: str) -> bool:
    response = await ask(server, "GET", "/api/ipc/stats", {"Authorization": f"Bearer {token}"})
    return response.status_code == 200


async def trail(redis_url: str) -> list[dict[str, str]]:
    client: Redis = connect(redis_url)
    try:
        rows: Any = await client.xrange(keys.AUDIT)
    finally:
        await client.aclose()
    return [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in rows]


async def test_tokens_are_listed_in_pages_and_never_shown(
    locked: ServerProcess, operator: dict[str, str], bridge_valkey: EmbeddedValkey
) -> None:
    made = [await minted(bridge_valkey.url, "gallery", ttl_s=100 + number) for number in range(3)]
    found: list[Any] = []
    query = {"service": "gallery", "limit": "2"}
    while True:
        response = await ask(locked, "GET", PATH, operator, params=query)
        assert response.status_code == 200, response.text
        assert not any(each.token in response.text for each in made)
        page = response.json()["data"]
        assert len(page["tokens"]) <= 2
        found += page["tokens"]
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert [each["id"] for each in found] == [each.claims.id for each in made]
    claims = made[0].claims
    assert found[0] == {
        "id": claims.id,
        "service": "exprsn-gallery",
        "target": "*",
        "permissions": list(claims.permissions),
        "issuedAt": claims.iat,
        "expiresAt": claims.exp,
        "stateful": False,
        "rateLimitExempt": False,
        "madeFor": "test",
    }


async def test_a_revoked_token_lets_nobody_in_and_closes_what_it_let_in(
    locked: ServerProcess, operator: dict[str, str], bridge_valkey: EmbeddedValkey
) -> None:
    made, other = [await minted(bridge_valkey.url, "nexus") for _ in range(2)]
    async with attached(locked, "nexus", **bearer(made.token)) as client:
        response = await ask(locked, "DELETE", f"{PATH}/{made.claims.id}", operator)
        assert (response.status_code, response.json()["data"]) == (200, {"revoked": made.claims.id})
        assert await client.close_code() == 4430
    assert (await holds(locked, made.token), await holds(locked, other.token)) == (False, True)
    again = await ask(locked, "DELETE", f"{PATH}/{made.claims.id}", operator)
    assert again.status_code == 200, "whoever revokes twice has the same in mind"
    entry = [each for each in await trail(bridge_valkey.url) if each["subject"] == made.claims.id]
    assert ("token.revoke", "exprsn-bridge, by its token") in [(each["action"], each["by"]) for each in entry]


async def test_all_tokens_of_a_service_are_revoked(
    locked: ServerProcess, operator: dict[str, str], bridge_valkey: EmbeddedValkey
) -> None:
    made = [await minted(bridge_valkey.url, "workflow") for _ in range(2)]
    other = await minted(bridge_valkey.url, "nexus")
    response = await ask(locked, "POST", f"{PATH}/revoke", operator, json={"service": "workflow"})
    assert response.status_code == 200, response.text
    data = response.json()["data"]
    assert (data["service"], data["issuedBy"] >= made[1].claims.iat) == ("exprsn-workflow", True)
    assert [await holds(locked, each.token) for each in [*made, other]] == [False, False, True]
    assert await holds(locked, (await minted(bridge_valkey.url, "workflow")).token)


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "error"),
    [
        ("GET", PATH, {"params": {"service": "nobody"}}, 404, "UNKNOWN_SERVICE"),
        ("GET", PATH, {"params": {"limit": "0"}}, 400, "INVALID_MESSAGE"),
        ("GET", PATH, {"params": {"limit": "1001"}}, 400, "INVALID_MESSAGE"),
        ("GET", PATH, {"params": {"limit": "many"}}, 400, "INVALID_MESSAGE"),
        ("GET", PATH, {"params": {"after": "somewhere"}}, 400, "INVALID_MESSAGE"),
        ("GET", PATH, {"params": {"colour": "red"}}, 400, "INVALID_MESSAGE"),
        ("DELETE", f"{PATH}/no-id", {}, 400, "INVALID_MESSAGE"),
        ("DELETE", f"{PATH}/{'x' * 3_000}", {}, 400, "INVALID_MESSAGE"),
        ("GET", f"{PATH}/01M8CV83KQ61K6KGNMMY3EE18P", {}, 405, "METHOD_NOT_ALLOWED"),
        ("POST", f"{PATH}/revoke", {"json": {"service": "nobody"}}, 404, "UNKNOWN_SERVICE"),
        ("POST", f"{PATH}/revoke", {"json": {}}, 400, "INVALID_MESSAGE"),
        ("POST", f"{PATH}/revoke", {"json": {"service": "svr", "all": True}}, 400, "INVALID_MESSAGE"),
        ("POST", f"{PATH}/revoke", {"json": ["svr"]}, 400, "INVALID_MESSAGE"),
        ("POST", f"{PATH}/revoke", {"data": {"service": "svr"}}, 415, "UNSUPPORTED_MEDIA_TYPE"),
        ("POST", f"{PATH}/revoke", {"content": b" " * 1_048_577}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ],
)
async def test_what_is_wrong_is_refused(
    locked: ServerProcess, operator: dict[str, str], method: str, path: str, options: Any, status: int, error: str
) -> None:
    response = await ask(locked, method, path, operator, **options)
    assert (response.status_code, response.json()["error"]) == (status, error), response.text
