"""The security defects of the original implementation, in Node, one by one, and that a live bridge here has none."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.errors import TokenError
from ipc.protocol.ids import new_ulid
from ipc.protocol.tokens import MAX_LIFETIME_S, TokenKeys
from ipc.stores import keys
from ipc.stores.connection import connect
from ipc.stores.tokens import BrokerTokenManager
from tests import servers
from tests.bridge.tokens import LOCKED, NEW_KEY, bearer, encoded, managed, minted
from tests.clients import attached, socket_to
from tests.servers import ROOT, ServerProcess

pytestmark = pytest.mark.processes

DAY_S = 86_400


@pytest.fixture(scope="module")
def valkey_of_bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey(tmp_path_factory.mktemp("original-valkey")) as valkey:
        yield valkey


@pytest.fixture(scope="module")
def locked(valkey_of_bridge: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A bridge that asks for tokens."""
    root: Path = tmp_path_factory.mktemp("original")
    certs = servers.certificates(root / "certs")
    with servers.bridge("uvicorn", valkey_of_bridge.url, certs, root / "var", **LOCKED) as server:
        yield server
    assert "Traceback" not in server.output()


@pytest.fixture
def redis_url(valkey_of_bridge: EmbeddedValkey) -> str:
    return valkey_of_bridge.url


async def test_a_stateful_token_can_be_issued_and_has_an_end(locked: ServerProcess, redis_url: str) -> None:
    """Its ``exp`` was null there, so signing it failed; a token without an end proves nothing here."""
    made = await minted(redis_url, stateful=True)
    assert made.claims.exp == pytest.approx(made.claims.iat + MAX_LIFETIME_S)
    async with attached(locked, "herald", **bearer(made.token)) as client:
        for op, members in (("set", {"value": {"step": 1}}), ("get", {})):
            answer = await client.ask(type="state", op=op, token=made.token, **members)
            assert answer["type"] == "ok"
        assert answer["value"] == {"step": 1}
    header = encoded({"alg": "HS256", "typ": "JWT", "kid": TokenKeys.of(NEW_KEY).ids[0]})
    endless = f"{header}.{encoded({**msgspec.to_builtins(made.claims), 'exp': None})}.{made.token.rpartition('.')[2]}"
    async with socket_to(locked, "/ipc/herald", **bearer(endless)) as client:
        assert ((await client.next())["code"], await client.close_code()) == ("TOKEN_INVALID", 4401)


async def test_a_revocation_is_remembered_for_more_than_a_day(locked: ServerProcess, redis_url: str) -> None:
    """It was forgotten after 24 hours there, while the token went on; here it outlives the token."""
    made = await minted(redis_url, ttl_s=20 * DAY_S)
    await managed(redis_url, lambda manager: manager.revoke(made.claims.id, by="test"))
    await managed(redis_url, lambda manager: manager.revoke_source("spark", by="test"))
    async with connect(redis_url) as redis:
        assert await redis.ttl(keys.revoked(made.claims.id)) >= 20 * DAY_S - 60
        assert await redis.ttl(keys.revoked("exprsn-spark")) >= MAX_LIFETIME_S - 60

    async def verified_a_day_later(manager: BrokerTokenManager) -> None:
        with pytest.raises(TokenError, match="revoked"):
            await manager.verify(made.token)

    await managed(redis_url, verified_a_day_later, now_s=lambda: made.claims.iat + 2 * DAY_S)
    async with socket_to(locked, "/ipc/herald", **bearer(made.token)) as client:
        assert ((await client.next())["code"], await client.close_code()) == ("TOKEN_REVOKED", 4430)


def test_no_key_is_made_up_for_each_process(tmp_path: Path) -> None:
    """Unset, it was random in each process there, so that none took the others' tokens; here none starts without it.

    On a development machine one is made once, and all processes have the same.
    """
    ask = "from django.conf import settings; print(settings.IPC_BROKER_KEY)"
    common = {"VAR_DIR": str(tmp_path), "IPC_BROKER_KEY": "", "DEV_BYPASS": "false", "IPC_BYPASS_AUTH": "false"}

    def ran(environment: str, *command: str) -> "subprocess.CompletedProcess[str]":
        given = {**os.environ, **common, "EXPRSN_ENV": environment, "DJANGO_SETTINGS_MODULE": "exprsn.settings"}
        given |= {"SECRET_KEY": new_ulid() * 2, "EXPRSN_SERVICE": "bridge"}
        return subprocess.run(
            [sys.executable, *command], cwd=ROOT, env=given, capture_output=True, text=True, check=False
        )

    told = [ran("development", "-c", ask).stdout.strip() for _ in range(2)]
    assert told[0] == told[1] != ""
    refused = ran("production", "-c", "import exprsn.asgi")
    assert refused.returncode == 1
    assert "ipc.E004: IPC_BROKER_KEY" in refused.stderr


async def test_a_token_is_taken_by_its_target_only(locked: ServerProcess, redis_url: str) -> None:
    """``target`` was never looked at there."""
    for target, code in (("timeline", "TOKEN_WRONG_TARGET"), ("bridge", None), ("*", None)):
        token = (await minted(redis_url, target=target)).token
        async with socket_to(locked, "/ipc/herald", **bearer(token)) as client:
            assert (await client.next()).get("code") == code


@pytest.mark.parametrize("path", ["/ipc/timeline", "/ipc/exprsn-timeline", "/ipc/bridge"])
async def test_no_namespace_is_open_to_who_proves_nothing(locked: ServerProcess, redis_url: str, path: str) -> None:
    """Whoever connected was in there. Nor is one open to the token of another service."""
    async with socket_to(locked, path) as client:
        await client.say({"type": "emit", "event": "post:created"})
        assert ((await client.next())["code"], await client.close_code()) == ("UNAUTHENTICATED", 4401)
    async with socket_to(locked, path, **bearer((await minted(redis_url)).token)) as client:
        assert ((await client.next())["code"], await client.close_code()) == ("TOKEN_WRONG_SERVICE", 4401)


async def test_an_ack_needs_no_token_of_its_own_and_counts(locked: ServerProcess, redis_url: str) -> None:
    """Acks carried none there, and so all were refused; here the session has proved itself, once. What was not acked
    comes again, which nothing did there."""
    group, token = f"group-{new_ulid()}", (await minted(redis_url)).token
    async with attached(locked, "herald", **bearer(token)) as client:
        retry = {"backoff_ms": [1, 1]}
        assert (await client.ask(type="subscribe", events=["ack:*"], group=group, retry=retry))["type"] == "ok"
        await client.ask(type="emit", event="ack:one", target="herald", ack=True)
        first = await client.event()
        await client.say({"type": "nack", "deliveries": [first["delivery"]], "reason": "not yet"})
        again = await client.event()
        assert (again["id"], again["attempt"]) == (first["id"], 2)
        await client.say({"type": "ack", "deliveries": [again["delivery"]]})
        async with asyncio.timeout(15):
            while True:
                status = (await client.ask(type="status", event=first["id"], source="herald"))["status"]
                if next(each["state"] for each in status["groups"] if each["group"] == group) == "acked":
                    break
        # Somebody else's, or none of anybody's, is not acknowledged.
        await client.say({"type": "ack", "id": "a", "deliveries": [again["delivery"], "no-such"]})
        assert (await client.next())["code"] == "UNKNOWN_DELIVERY"


async def test_a_client_says_neither_who_it_is_nor_what_it_is_spared(locked: ServerProcess, redis_url: str) -> None:
    """``options`` of an emit had both there, and were believed."""
    token = (await minted(redis_url)).token
    lies: dict[str, Any] = {
        "source": "exprsn-auth",
        "rateLimitExempt": True,
        "priority": "critical",
        "authBypass": True,
    }
    async with attached(locked, "herald", "lie:*", **bearer(token)) as client:
        await client.ask(type="emit", event="lie:told", data={"n": 1}, options=lies, brokerToken=lies, ack=True, **lies)
        event = await client.event()
    assert (event["source"], event["data"]) == ("exprsn-herald", {"n": 1})
    assert not {"options", "brokerToken", *lies} & event.keys() - {"source"}


async def test_emitting_what_one_hears_does_not_go_round(locked: ServerProcess, redis_url: str) -> None:
    """An emit called itself there until the stack was full: one frame took the process down."""
    token = (await minted(redis_url)).token
    async with attached(locked, "herald", "round:*", **bearer(token)) as client:
        await client.ask(type="emit", event="round:one", ack=True)
        assert (await client.event())["event"] == "round:one"
        await client.ask(type="emit", event="round:two", ack=True)
        assert (await client.event())["event"] == "round:two"
        assert await client.is_well()


async def test_a_call_goes_to_its_owner_and_not_back_to_the_asker(locked: ServerProcess, redis_url: str) -> None:
    """There it went to the asker, who thus was told what was meant for another service."""
    owner_token, token = (await minted(redis_url, "vault")).token, (await minted(redis_url)).token
    async with (
        attached(locked, "vault", **bearer(owner_token)) as owner,
        attached(locked, "herald", **bearer(token)) as asker,
    ):
        name = f"secrets{os.getpid()}"
        assert (await owner.ask(type="serve", resources=[{"name": name, "ops": ["read"]}]))["type"] == "ok"
        await asker.say({"type": "call", "id": "c", "op": "read", "resource": name, "key": "k"})
        call = await owner.next()
        assert (call["type"], call["source"], call["key"]) == ("call", "exprsn-herald", "k")
        await owner.say({"type": "reply", "id": call["id"], "data": "found"})
        reply = await asker.next()
        assert (reply["type"], reply["id"], reply["data"]) == ("reply", "c", "found")
