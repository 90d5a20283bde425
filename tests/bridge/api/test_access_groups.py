"""What a service sees and does of groups and dead letters with its token: its own, and nothing of others'."""

import asyncio
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.ids import new_ulid
from tests.bridge.tokens import bearer, minted
from tests.clients import DEADLINE_S, attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
LETTERS = "/api/ipc/dead-letters"


async def ask(server: ServerProcess, token: str, method: str, path: str, **options: Any) -> Any:
    response = await asyncio.to_thread(
        server.request, method, path, headers={"Authorization": f"Bearer {token}"}, **options
    )
    assert response.status_code == 200, response.text
    return response.json()["data"]


async def letters(server: ServerProcess, token: str, group: str) -> list[str]:
    found = await ask(server, token, "GET", LETTERS, params={"group": group})
    return [letter["service"] for letter in found["deadLetters"]]


@pytest.fixture
async def tokens(bridge_valkey: EmbeddedValkey) -> dict[str, str]:
    """Of two services that do the same, and of an operator's program."""
    said = {"atlas": "*", "pulse": "*", "bridge": "*"}
    found = {name: (await minted(bridge_valkey.url, name)).token for name in said}
    everything = await minted(bridge_valkey.url, "bridge", permissions=["*"])
    return {**found, "everything": everything.token}


@pytest.fixture
async def group(locked: ServerProcess, tokens: dict[str, str]) -> str:
    """A group of this name of each of the two, with a dead letter."""
    group = f"group-{new_ulid()}"
    for service in ("atlas", "pulse"):
        async with attached(locked, service, **bearer(tokens[service])) as client:
            assert (await client.ask(type="subscribe", events=[f"{group}:*"], group=group))["type"] == "ok"
            await client.ask(type="emit", event=f"{group}:one", target=service, ack=True)
            delivery = (await client.event())["delivery"]
            await client.say({"type": "nack", "deliveries": [delivery], "reason": "no", "reject": True})
            async with asyncio.timeout(DEADLINE_S):
                while f"exprsn-{service}" not in (await letters(locked, tokens["everything"], group)):
                    pass
    return group


async def test_a_service_sees_its_own_groups(locked: ServerProcess, tokens: dict[str, str], group: str) -> None:
    def shown(found: Any) -> set[str]:
        return {each["service"] for each in found["groups"] if each["group"] == group}

    for name, expected in (
        ("atlas", {"exprsn-atlas"}),
        ("bridge", set()),
        ("everything", {"exprsn-atlas", "exprsn-pulse"}),
    ):
        assert shown(await ask(locked, tokens[name], "GET", "/api/ipc/groups")) == expected


async def test_a_service_redrives_and_discards_its_own_letters(
    locked: ServerProcess, tokens: dict[str, str], group: str
) -> None:
    """Whatever its filter says; and what an operator's program does is not bound to a service."""
    assert await letters(locked, tokens["atlas"], group) == ["exprsn-atlas"]
    assert await letters(locked, tokens["everything"], group) == ["exprsn-atlas", "exprsn-pulse"]
    every = await ask(locked, tokens["everything"], "GET", LETTERS, params={"group": group})
    ids = [letter["id"] for letter in every["deadLetters"]]
    redriven = await ask(locked, tokens["atlas"], "POST", f"{LETTERS}/redrive", json={"id": ids})
    assert redriven["redriven"] == [ids[0]]
    assert await letters(locked, tokens["everything"], group) == ["exprsn-pulse"]
    body = {"group": group, "reason": "a test"}
    assert (await ask(locked, tokens["atlas"], "POST", f"{LETTERS}/discard", json=body))["discarded"] == []
    assert (await ask(locked, tokens["pulse"], "POST", f"{LETTERS}/discard", json=body))["discarded"] == [ids[1]]


async def test_all_needs_to_be_said_by_a_service_too(locked: ServerProcess, tokens: dict[str, str]) -> None:
    headers = {"Authorization": f"Bearer {tokens['atlas']}"}
    response = await asyncio.to_thread(locked.request, "POST", f"{LETTERS}/redrive", json={}, headers=headers)
    assert (response.status_code, response.json()["error"]) == (400, "INVALID_MESSAGE")


async def test_a_letter_of_another_service_is_not_shown(
    locked: ServerProcess, tokens: dict[str, str], group: str
) -> None:
    (letter,) = (await ask(locked, tokens["pulse"], "GET", LETTERS, params={"group": group}))["deadLetters"]
    assert (await ask(locked, tokens["pulse"], "GET", f"{LETTERS}/{letter['id']}"))["event"] == f"{group}:one"
    headers = {"Authorization": f"Bearer {tokens['atlas']}"}
    response = await asyncio.to_thread(locked.get, f"{LETTERS}/{letter['id']}", headers=headers)
    assert (response.status_code, response.json()["error"]) == (403, "FORBIDDEN")


async def test_an_event_of_another_service_is_not_told_of(locked: ServerProcess, tokens: dict[str, str]) -> None:
    event_id = new_ulid()
    body = {"event": "a:one", "id": event_id, "target": "svr"}
    await ask(locked, tokens["atlas"], "POST", "/api/ipc/emit", json=body)
    path = f"/api/ipc/events/{event_id}"
    assert (await ask(locked, tokens["atlas"], "GET", path))["source"] == "exprsn-atlas"
    assert (await ask(locked, tokens["everything"], "GET", path))["source"] == "exprsn-atlas"
    headers = {"Authorization": f"Bearer {tokens['pulse']}"}
    response = await asyncio.to_thread(locked.get, path, headers=headers)
    assert (response.status_code, response.json()["error"]) == (404, "EVENT_NOT_FOUND")


async def test_explaining_is_in_the_name_of_the_token(
    locked: ServerProcess, tokens: dict[str, str], bridge_valkey: EmbeddedValkey
) -> None:
    """With its permissions, as on the socket."""
    token = (await minted(bridge_valkey.url, "atlas", permissions=["emit:a:*"])).token
    found = await ask(locked, token, "POST", "/api/ipc/explain", json={"event": "b:one"})
    assert (found["source"], found["refused"]["code"]) == ("exprsn-atlas", "FORBIDDEN")
    found = await ask(locked, token, "POST", "/api/ipc/explain", json={"event": "a:one", "source": "atlas"})
    assert (found["source"], found["refused"]) == ("exprsn-atlas", None)
    found = await ask(locked, tokens["everything"], "POST", "/api/ipc/explain", json={"event": "b:one"})
    assert (found["source"], found["refused"]) == ("exprsn-bridge", None)
