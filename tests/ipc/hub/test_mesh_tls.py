"""A mesh on a Redis with TLS and users: it works with few rights, and says what is wrong without them."""

import asyncio
import logging
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from ipc.hub.mesh import Mesh
from ipc.protocol.errors import UnavailableError
from ipc.protocol.limits import Limits
from ipc.stores.connection import connect, translated_errors
from ipc.stores.eventlog import EventLog
from tests.certs import companies
from tests.ipc.conftest import MakeMesh
from tests.ipc.members import Member
from tests.secured_redis import DEFAULT_PASSWORD, PASSWORD, SecuredRedis

PARTS = [PASSWORD, quote(PASSWORD, safe=""), "p@ss w", "p%40ss", DEFAULT_PASSWORD, "wrong-p4ssword"]
DOINGS = ["listen on the channel layer", "read the settings of Redis", "register", "append to broadcast"]


@pytest.fixture
def secured(secured_redis: SecuredRedis) -> SecuredRedis:
    with redis.Redis.from_url(secured_redis.url("default", DEFAULT_PASSWORD)) as client:
        client.flushall()
    return secured_redis


@pytest.mark.parametrize("user", ["exprsn", "default", ""])
async def test_events_cross_a_mesh_over_tls(
    make_mesh: MakeMesh, secured: SecuredRedis, caplog: pytest.LogCaptureFixture, user: str
) -> None:
    """By the log and by the channel layer, live and by a group; nothing that is logged has the password."""
    caplog.set_level(logging.DEBUG)
    url = secured.url() if user == "exprsn" else secured.url(user, DEFAULT_PASSWORD)
    # What the group has is not answered, which a mesh that ends would wait for.
    limits = Limits(drain_ms=1)
    one, other = await make_mesh(url, limits=limits), await make_mesh(url, limits=limits)
    here, there, grouped = Member(one.hub), Member(other.hub), Member(other.hub)
    await there.subscribe("*")
    await grouped.ask(type="subscribe", events=["*"], group="g")
    await here.emit_numbers(range(20))
    assert await there.hears(20) == list(range(20))
    assert await grouped.hears(20) == list(range(20))
    await one.keeper.look()
    assert other.hub.counters.reconciles_failed == 0
    assert not any(part in caplog.text for part in PARTS)


async def what_fails(url: str) -> str:
    client = connect(url)
    try:
        with pytest.raises(UnavailableError) as refused:
            await EventLog(client).last_positions(["broadcast"])
        return str(refused.value)
    finally:
        await client.aclose()


async def test_a_wrong_password_or_user_is_said(secured: SecuredRedis) -> None:
    for url in (secured.url(password="wrong-p4ssword"), secured.url("nobody")):
        assert (await what_fails(url)).endswith("Redis refused the password of its URL")


async def test_a_ca_that_is_not_redis_own_is_said(secured: SecuredRedis, tmp_path: Path) -> None:
    system = secured.url().partition("?")[0]
    for url in (system, secured.url(ca_file=_foreign(tmp_path))):
        said = await what_fails(url)
        assert "the certificate of Redis is not trusted" in said
        assert "its CA is ssl_ca_certs in the URL" in said
    assert "No such file" in await what_fails(secured.url(ca_file=tmp_path / "missing.pem"))


def _foreign(directory: Path) -> Path:
    certificate, key = companies.make("Elsewhere")
    return companies.write(directory, key, certificate)[0]


async def test_a_plain_client_is_told_that_it_cannot_be_reached(secured: SecuredRedis) -> None:
    await_url = secured.url().partition("?")[0].replace("rediss:", "redis:")
    assert "Redis is out of reach" in await what_fails(await_url)


async def test_a_user_may_use_the_keys_of_the_mesh_and_nothing_else(secured: SecuredRedis) -> None:
    client = connect(secured.url())
    try:
        for command in (("SET", "other", "1"), ("KEYS", "*"), ("FLUSHALL",), ("CONFIG", "GET", "*"), ("ACL", "LIST")):
            with pytest.raises(UnavailableError, match="has no permissions"):
                async with translated_errors("do it"):
                    await client.execute_command(*command)  # type: ignore[no-untyped-call]  # as redis ships it
    finally:
        await client.aclose()


async def test_a_mesh_that_is_refused_says_so_and_not_by_what(
    secured: SecuredRedis, caplog: pytest.LogCaptureFixture
) -> None:
    """Each part of it that logs: the hub, the keeper and the channel layer."""
    caplog.set_level(logging.DEBUG)
    mesh = await Mesh(secured.url(password="wrong-p4ssword")).start()
    try:
        member = Member(mesh.hub)
        refused = await member.ask(type="emit", event="a:b", ack=True)
        assert refused["code"] == "UNAVAILABLE"
        async with asyncio.timeout(10):
            while not all(f"{doing}: Redis refused the password" in caplog.text for doing in DOINGS):  # noqa: ASYNC110 - of several tasks
                await asyncio.sleep(0.01)
    finally:
        await mesh.stop()
    assert not any(part in caplog.text for part in PARTS)
