"""Rate limits over two bridge processes with one Redis, behind each server."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.errors import RateLimitError
from ipc.protocol.permissions import USUAL
from ipc.transports.tokens import CertificateTokens, GivenToken
from ipc.transports.websocket import WebSocketTransport
from ipc.worker import IPCWorker
from tests import servers
from tests.bridge.doors.socketio.engine_io import ended, opened
from tests.bridge.tokens import LOCKED, bearer, minted
from tests.clients import Client, attached, socket_to
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
BATCH = 50


@pytest.fixture(scope="module")
def bridge_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """One of this module's own: a budget is a service's, at whatever bridge of another test it has sent something."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="module")
def bridges(
    bridge_valkey: EmbeddedValkey, certs_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    """One behind daphne and one behind uvicorn, limited as in production."""
    limited = {**LOCKED, "IPC_RATE_LIMIT": "true"}
    made = [
        servers.bridge(kind, bridge_valkey.url, certs_dir, tmp_path_factory.mktemp("limited"), **limited)
        for kind in ("daphne", "uvicorn")
    ]
    with made[0] as one, made[1] as two:
        yield one, two


@pytest.fixture(scope="module")
def small(bridge_valkey: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A bridge that lets little through, and knows the certificate of Timeline."""
    folder = tmp_path_factory.mktemp("small")
    limited = {**LOCKED, "IPC_RATE_LIMIT": "true", "IPC_RATE_MAX": "10", "IPC_MAX_SESSIONS": "2"}
    certs_dir = servers.certificates(folder / "certs")
    with servers.bridge("uvicorn", bridge_valkey.url, certs_dir, folder, **limited) as bridge:
        yield bridge


async def emit(client: Client, count: int) -> list[str]:
    """Emit so many events in one frame, and return what became of each."""
    ids = [f"{id(client)}-{client._asked}-{number}" for number in range(count)]
    client._asked += 1
    await client.say(*({"type": "emit", "event": "a:b", "id": name, "ack": True} for name in ids))
    answers = [await client.hear(lambda heard, name=name: heard.get("id") == name) for name in ids]
    return [answer.get("code", "ok") for answer in answers]


async def test_the_thousand_and_first_within_a_minute_is_refused_by_whichever_bridge(
    bridges: tuple[ServerProcess, ServerProcess], bridge_valkey: EmbeddedValkey
) -> None:
    token = bearer((await minted(bridge_valkey.url, "payments")).token)
    async with attached(bridges[0], "payments", **token) as one, attached(bridges[1], "payments", **token) as two:
        passed = 0
        for _ in range(1_000 // (2 * BATCH) - 1):
            for became in await asyncio.gather(emit(one, BATCH), emit(two, BATCH)):
                assert became == ["ok"] * BATCH
                passed += BATCH
        while passed < 1_000:
            for client in (one, two):
                assert await emit(client, 1) == ["ok"]
                passed += 1
        for client in (one, two):
            assert await emit(client, 1) == ["RATE_LIMIT_EXCEEDED"]
            assert await client.is_well()


async def test_a_flood_from_both_sides_gets_exactly_the_limit_through(
    bridges: tuple[ServerProcess, ServerProcess], bridge_valkey: EmbeddedValkey
) -> None:
    token = bearer((await minted(bridge_valkey.url, "atlas")).token)
    async with attached(bridges[0], "atlas", **token) as one, attached(bridges[1], "atlas", **token) as two:

        async def flood(client: Client) -> list[list[str]]:
            return [await emit(client, 400) for _ in range(2)]

        became = [codes for floods in await asyncio.gather(flood(one), flood(two)) for codes in floods]
    assert sum(codes.count("ok") for codes in became) == 1_000
    assert sum(codes.count("RATE_LIMIT_EXCEEDED") for codes in became) == 600


async def test_an_exempt_token_goes_on(
    bridges: tuple[ServerProcess, ServerProcess], bridge_valkey: EmbeddedValkey
) -> None:
    made = await minted(bridge_valkey.url, "vault", rate_limit_exempt=True, permissions=USUAL)
    async with attached(bridges[0], "vault", **bearer(made.token)) as client:
        assert await emit(client, 500) + await emit(client, 501) == ["ok"] * 1_001


async def test_a_worker_is_told_at_once_when_waiting_would_take_too_long(
    bridges: tuple[ServerProcess, ServerProcess], bridge_valkey: EmbeddedValkey
) -> None:
    token = (await minted(bridge_valkey.url, "gallery")).token
    async with attached(bridges[0], "gallery", **bearer(token)) as client:
        assert [await emit(client, 500) for _ in range(2)] == [["ok"] * 500] * 2
    worker = IPCWorker("gallery")
    await worker.start(
        WebSocketTransport(bridges[1].ws_url, "gallery", ca_file=bridges[1].ca_file, tokens=GivenToken(token))
    )
    try:
        with pytest.raises(RateLimitError) as raised:
            await worker.emit("a:b", {})
    finally:
        await worker.stop()
    assert 0 < (raised.value.retry_after_ms or 0) <= 60_000


def ask(bridge: ServerProcess, token: str, path: str = "/api/ipc/emit", body: object = None) -> httpx.Response:
    """Emit, unless the path is another one; a query in it is asked for."""
    headers = {"Authorization": f"Bearer {token}"}
    if "?" in path:
        return bridge.get(path, headers=headers)
    return bridge.request("POST", path, json=body or {"event": "a:b"}, headers=headers)


async def test_http_shares_the_budget_and_says_what_is_left(
    bridges: tuple[ServerProcess, ServerProcess], bridge_valkey: EmbeddedValkey
) -> None:
    token = (await minted(bridge_valkey.url, "nexus")).token
    answer = ask(bridges[0], token)
    assert answer.status_code == 200
    assert (answer.headers["RateLimit-Limit"], answer.headers["RateLimit-Remaining"]) == ("1000", "999")
    assert 0 < int(answer.headers["RateLimit-Reset"]) <= 60
    # A batch of n costs n, all of it or nothing.
    batch = ask(bridges[0], token, body=[{"event": "a:b"}] * 500)
    assert (batch.status_code, batch.headers["RateLimit-Remaining"]) == (200, "499")
    async with attached(bridges[1], "nexus", **bearer(token)) as client:
        assert await emit(client, 498) == ["ok"] * 498
    too_many = ask(bridges[0], token, body=[{"event": "a:b"}] * 2)
    assert (too_many.status_code, too_many.json()["error"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert 0 < int(too_many.headers["Retry-After"]) <= 60
    assert ask(bridges[0], token).status_code == 200
    for path, body in (
        ("/api/ipc/emit", {"event": "a:b"}),
        ("/api/ipc/call", {"resource": "posts", "op": "read"}),
        ("/api/ipc/jsonlex", {"expression": 1}),
        ("/api/ipc/positions?since=1h", {}),
    ):
        refused = ask(bridges[0], token, path, body)
        assert (refused.status_code, refused.json()["error"]) == (429, "RATE_LIMIT_EXCEEDED"), path
        assert (refused.headers["RateLimit-Remaining"], refused.headers["Retry-After"]) == (
            "0",
            refused.headers["RateLimit-Reset"],
        )


async def test_an_operator_is_charged_to_whom_they_speak_as(
    bridges: tuple[ServerProcess, ServerProcess], bridge_valkey: EmbeddedValkey
) -> None:
    headers = {"X-IPC-Request": "true"}
    answer = bridges[0].request("POST", "/api/ipc/emit?service=svr", json={"event": "a:b"}, headers=headers)
    assert (answer.status_code, answer.headers["RateLimit-Remaining"]) == (200, "999")
    assert "RateLimit-Limit" not in bridges[0].get("/api/ipc/stats", headers=headers).headers


async def test_a_service_gets_so_many_tokens_for_its_certificate(small: ServerProcess) -> None:
    """Also when it has sent all that it may; but one that was taken over keeps no bridge busy with making tokens."""
    source = CertificateTokens(
        small.ws_url,
        "timeline",
        certificate_file=small.ca_file.with_name("exprsn-timeline-cert.pem"),
        key_file=small.ca_file.with_name("exprsn-timeline-key.pem"),
        ca_file=small.ca_file,
    )
    token = (await source.token()).text
    assert ask(small, token, body=[{"event": "a:b"}] * 10).status_code == 200
    assert ask(small, token).status_code == 429

    def post(assertion: str) -> httpx.Response:
        return small.request("POST", "/api/ipc/tokens", json={"assertion": assertion})

    answers = [post(source._assertion()) for _ in range(10)]
    assert [answer.status_code for answer in answers] == [200] * 9 + [429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers][-3:] == ["1", "0", "0"]
    refused = answers[-1]
    assert (refused.json()["error"], 0 < int(refused.headers["Retry-After"]) <= 60) == ("RATE_LIMIT_EXCEEDED", True)
    # What proves nothing costs the service nothing.
    assert post("a.b.c").status_code == 401


async def test_a_service_has_so_many_sessions_at_a_bridge(small: ServerProcess, bridge_valkey: EmbeddedValkey) -> None:
    """By whichever door; whoever has one token of it does not keep others out with that."""
    token = (await minted(bridge_valkey.url, "pulse")).token
    async with attached(small, "pulse", **bearer(token)), attached(small, "pulse", **bearer(token)):
        async with socket_to(small, "/ipc/pulse", **bearer(token)) as client:
            refused = await client.next()
            assert (refused["code"], refused["retryable"]) == ("OVERLOADED", True)
            assert await client.close_code() == 4503
        async with opened(small, f"40/ipc/pulse,{json.dumps({'token': token})}") as socket:
            assert (await ended(socket))[0] == 4503
        other = (await minted(bridge_valkey.url, "atlas")).token
        async with attached(small, "atlas", **bearer(other)) as client:
            assert await client.is_well()


async def test_more_events_than_the_budget_has_are_refused_for_good(
    small: ServerProcess, bridge_valkey: EmbeddedValkey
) -> None:
    token = (await minted(bridge_valkey.url, "workflow")).token
    answer = ask(small, token, body=[{"event": "a:b"}] * 11)
    assert (answer.status_code, answer.json()["message"]) == (
        429,
        "a request has at most 10 events here, this one has 11: divide it",
    )
    assert ask(small, token, body=[{"event": "a:b"}] * 10).status_code == 200
