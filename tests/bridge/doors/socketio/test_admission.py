"""Who is let in: tokens in ``auth`` or the header, what they permit, and when a session ends with its token."""

import asyncio
from typing import Any

import pytest

from bridge.doors.socketio.admission import ConnectAuth, first_subscription
from exprsn.embedded import EmbeddedValkey
from ipc.hub.session import Identity
from ipc.protocol.permissions import USUAL
from ipc.protocol.tokens import Claims
from ipc.stores.tokens import BrokerTokenManager
from tests.bridge.tokens import managed, minted
from tests.node import NodeSockets
from tests.servers import ServerProcess


def showing(token: str, **auth: Any) -> dict[str, Any]:
    return {"options": {"auth": {"token": token, **auth}}}


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_token_in_auth_or_in_the_header_proves_who_connects(
    locked: ServerProcess, bridge_valkey: EmbeddedValkey, node: NodeSockets, transport: str
) -> None:
    token = (await minted(bridge_valkey.url, "atlas")).token
    assert (await node.connect("a", locked, "/ipc/atlas", transport, **showing(token)))["connected"]
    header = {"extraHeaders": {"Authorization": f"Bearer {token}"}}
    assert (await node.connect("b", locked, "/ipc/exprsn-atlas", transport, options=header))["connected"]


async def test_what_proves_nothing_is_refused_with_its_code(
    locked: ServerProcess, bridge_valkey: EmbeddedValkey, node: NodeSockets
) -> None:
    good = (await minted(bridge_valkey.url, "atlas")).token
    revoked = await minted(bridge_valkey.url, "atlas")
    await managed(bridge_valkey.url, lambda manager: manager.revoke(revoked.claims.id, by="test"))
    cases: list[tuple[dict[str, Any], str, int]] = [
        ({}, "UNAUTHENTICATED", 4401),
        (showing(""), "UNAUTHENTICATED", 4401),
        (showing("no token"), "TOKEN_INVALID", 4401),
        (showing((await minted(bridge_valkey.url, "spark")).token), "TOKEN_WRONG_SERVICE", 4401),
        (showing(revoked.token), "TOKEN_REVOKED", 4430),
        ({"options": {"auth": {"token": 7}}}, "INVALID_MESSAGE", 4400),
        (showing(good, subscribe="*"), "INVALID_MESSAGE", 4400),
        (showing(good, subscribe=["not a pattern"]), "INVALID_PATTERN", 4403),
        (showing(good, positions={"exprsn-spark": "1-1"}), "INVALID_MESSAGE", 4403),
        (showing(good, positions={"broadcast": "first"}), "INVALID_POSITION", 4403),
        ({"options": {"extraHeaders": {"Authorization": "Basic abc"}}}, "UNAUTHENTICATED", 4401),
        ({"options": {"query": {"token": good}, "auth": {"token": good}}}, "UNAUTHENTICATED", 4401),
    ]
    for number, (members, code, close_code) in enumerate(cases):
        refused = await node.connect(f"case {number}", locked, "/ipc/atlas", **members)
        assert refused["connected"] is False, members
        data = refused["data"]
        assert (data["code"], data["closeCode"], data["retryable"]) == (code, close_code, False), members
        assert refused["message"]


async def test_a_page_of_a_foreign_site_opens_nothing(locked: ServerProcess, node: NodeSockets) -> None:
    """It does not get as far as a namespace, and is told nothing that its browser would let it read."""
    foreign = {"Origin": "https://evil.example"}
    response = locked.get("/socket.io/?EIO=4&transport=polling", headers=foreign)
    assert response.status_code == 400
    assert "access-control-allow-origin" not in response.headers
    own = locked.get("/socket.io/?EIO=4&transport=polling", headers={"Origin": "https://localhost"})
    assert (own.status_code, own.headers["access-control-allow-origin"]) == (200, "https://localhost")
    refused = await node.connect("a", locked, "/ipc/atlas", options={"extraHeaders": foreign, "reconnection": False})
    assert refused["connected"] is False


async def test_a_session_hears_as_much_as_its_token_permits(
    locked: ServerProcess, bridge_valkey: EmbeddedValkey, node: NodeSockets
) -> None:
    narrow = await minted(bridge_valkey.url, "gallery", permissions=("emit:*", "subscribe:allowed:*"))
    await node.connect("a", locked, "/ipc/gallery", **showing(narrow.token))
    for name in ("forbidden:one", "allowed:one"):
        assert (await node.ask("a", "ipc:emit", {"event": name, "payload": 1, "target": "gallery"}))["success"]
    assert (await node.hear("a", "allowed:one"))[0] == 1
    assert "forbidden:one" not in [event for event, _ in node.kept("a")]
    refused = await node.ask("a", "ipc:jsonlex", {"expression": 1})
    assert (refused["error"], refused["details"]) == ("FORBIDDEN", {"needed": "jsonlex"})


async def test_a_session_ends_with_its_token(
    locked: ServerProcess, bridge_valkey: EmbeddedValkey, node: NodeSockets
) -> None:
    """It is told why first, and does not come back by itself; another token lets it go on."""
    first, second = [await minted(bridge_valkey.url, "vault") for _ in range(2)]
    await node.connect("a", locked, "/ipc/vault", **showing(first.token))
    await node.connect("b", locked, "/ipc/vault", **showing(first.token))
    assert (await node.ask("b", "ipc:auth", {"token": second.token}))["success"]
    assert (await node.ask("b", "ipc:auth", {"token": "none"}))["error"] == "TOKEN_INVALID"
    await managed(bridge_valkey.url, lambda manager: manager.revoke(first.claims.id, by="test"))
    assert (await node.hear("a", "ipc:notice"))[0] == {"notice": "revoked"}
    assert (await node.hear("a", "ipc:error"))[0]["error"] == "TOKEN_REVOKED"
    closed = (await node.hear("a", "ipc:notice"))[0]
    assert (closed["notice"], closed["code"], closed["reconnect"]) == ("closed", 4430, False)
    assert (await node.hear("a", "disconnect"))[0] == "io server disconnect"
    assert (await node.ask("b", "ipc:ping", {}))["success"]


async def test_an_expired_token_closes_its_session(
    locked: ServerProcess, bridge_valkey: EmbeddedValkey, node: NodeSockets
) -> None:
    def short(manager: BrokerTokenManager) -> Any:
        return manager.mint("ca", permissions=USUAL, by="test", ttl_s=2)

    made = await managed(bridge_valkey.url, short)
    await node.connect("a", locked, "/ipc/ca", **showing(made.token))
    while (closed := (await node.hear("a", "ipc:notice"))[0])["notice"] != "closed":
        assert closed["notice"] == "token_expiring"
    assert (closed["code"], closed["reconnect"]) == (4401, False)
    assert (await node.hear("a", "disconnect"))[0] == "io server disconnect"


async def test_a_service_may_send_so_many_messages(
    locked: ServerProcess, bridge_valkey: EmbeddedValkey, node: NodeSockets
) -> None:
    """The bridge of these tests lets 40 through, one of them the subscription that the door makes."""
    token = (await minted(bridge_valkey.url, "setup")).token
    await node.connect("a", locked, "/ipc/setup", **showing(token))
    emitted = {"event": "rate:one", "payload": 1, "rateLimitExempt": True, "options": {"rateLimitExempt": True}}
    answers = await asyncio.gather(*(node.ask("a", "ipc:emit", emitted) for _ in range(45)))
    assert [answer["success"] for answer in answers].count(True) == 39
    refused = [answer for answer in answers if not answer["success"]]
    assert {answer["error"] for answer in refused} == {"RATE_LIMIT_EXCEEDED"}
    assert all(answer["retryable"] and answer["retryAfterMs"] > 0 for answer in refused)
    assert (await node.hear("a", "ipc:notice"))[0]["notice"] == "rate_warning"


async def test_a_stateful_token_has_its_state(
    locked: ServerProcess, bridge_valkey: EmbeddedValkey, node: NodeSockets
) -> None:
    token = (await minted(bridge_valkey.url, "workflow", stateful=True)).token
    await node.connect("a", locked, "/ipc/workflow", **showing(token))
    state = {"token": token, "op": "set", "value": {"step_one": 2}}
    assert await node.ask("a", "ipc:state", state) | {"remaining": 0} == {
        "success": True, "value": {"step_one": 2}, "remaining": 0,
    }  # fmt: skip
    assert (await node.ask("a", "ipc:state", {"token": token, "op": "get"}))["value"] == {"step_one": 2}


async def test_operations_and_declarations_take_their_permissions(
    locked: ServerProcess, bridge_valkey: EmbeddedValkey, node: NodeSockets
) -> None:
    """The door lets nothing through that the hub would not let through of anybody."""
    for name, permissions in (("all", ["state", "emit:*"]), ("none", ["emit:one:thing"])):
        token = (await minted(bridge_valkey.url, "moderator", permissions=permissions)).token
        assert (await node.connect(name, locked, "/ipc/moderator", options={"auth": {"token": token}}))["connected"]
    token = (await minted(bridge_valkey.url, "prefetch")).token
    await node.connect("other", locked, "/ipc/prefetch", options={"auth": {"token": token, "subscribe": []}})
    begun = await node.ask("all", "ipc:operation", {"op": "begin", "name": "import"})
    operation = begun["operations"][0]["id"]
    shape = {"event": "other:thing", "schema": {}}
    refused: list[tuple[str, str, Any]] = [
        ("none", "ipc:operation", {"op": "list"}),
        ("none", "ipc:operation", {"op": "cancel", "operation": operation}),
        ("none", "ipc:declare", {"events": [shape]}),
        ("all", "ipc:operation", {"op": "list", "service": "prefetch"}),
        ("other", "ipc:operation", {"op": "end", "operation": operation}),
        ("other", "ipc:operation", {"op": "cancel", "operation": operation}),
    ]
    for socket, event, argument in refused:
        answer = await node.ask(socket, event, argument)
        assert (answer["success"], answer["error"]) == (False, "FORBIDDEN"), (socket, event, argument, answer)
    assert (await node.ask("all", "ipc:operation", {"op": "end", "operation": operation}))["success"]


def identity(*permissions: str, claims: Claims | None = None) -> Identity:
    return Identity(service="exprsn-ca", permissions=frozenset(permissions), claims=claims)


@pytest.mark.parametrize(
    ("permissions", "auth", "events"),
    [
        (("*",), ConnectAuth(), ["*"]),
        (("emit:*", "subscribe:*"), ConnectAuth(), ["*"]),
        (("subscribe:b:*", "subscribe:a:b"), ConnectAuth(), ["a:b", "b:*"]),
        (("*",), ConnectAuth(subscribe=["x:y"]), ["x:y"]),
    ],
)
def test_the_first_subscription_is_what_the_token_permits_or_the_client_asks(
    permissions: tuple[str, ...], auth: ConnectAuth, events: list[str]
) -> None:
    assert first_subscription(identity(*permissions), auth) == {"events": events}


def test_there_may_be_no_first_subscription() -> None:
    assert first_subscription(identity("emit:*"), ConnectAuth()) is None
    assert first_subscription(identity("*"), ConnectAuth(subscribe=[], positions={"broadcast": "1-1"})) is None
