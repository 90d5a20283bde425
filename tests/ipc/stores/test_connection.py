"""Connections to a real Valkey that goes away, falls silent or refuses: each is one of our errors, in time."""

import asyncio
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from redis.asyncio import Redis

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.errors import BadMessageError, DeadlineError, UnavailableError
from ipc.stores import connection
from ipc.stores.connection import connect, translated_errors, without_password
from ipc.stores.eventlog import EventLog, NewEvent
from ipc.stores.registry import Registration, Registry

EVENTS = [NewEvent("", "a:b", "{")]
REGISTRATION = Registration(
    instance="exprsn-herald:01",
    session="s1",
    service="exprsn-herald",
    hub="h1",
    door="local",
    pid=1,
    hostname="host",
    registered_ms=1,
    last_seen_ms=1,
    last_activity_ms=1,
)

STORE_CALLS: dict[str, Callable[[Redis], Awaitable[object]]] = {
    "append": lambda redis: EventLog(redis).append("broadcast", EVENTS),
    "last_positions": lambda redis: EventLog(redis).last_positions(["broadcast"]),
    "read": lambda redis: EventLog(redis).read("broadcast", after="0-0"),
    "gap_after": lambda redis: EventLog(redis).gap_after("broadcast", "1-0"),
    "trim": lambda redis: EventLog(redis).trim("broadcast"),
    "put": lambda redis: Registry(redis).put([REGISTRATION]),
    "remove": lambda redis: Registry(redis).remove({"i": "s"}),
    "list": lambda redis: Registry(redis).list(),
}


@pytest.mark.parametrize("call", STORE_CALLS)
async def test_a_redis_that_is_not_there_is_unavailable(call: str, unused_tcp_port: int) -> None:
    client = connect(f"redis://127.0.0.1:{unused_tcp_port}/0")
    with pytest.raises(UnavailableError, match="Redis is out of reach") as refused:
        await STORE_CALLS[call](client)
    assert refused.value.retryable
    await client.aclose()


async def test_a_redis_that_does_not_answer_is_a_deadline(
    own_valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked may have happened, so this error is a different one; with its answer the server is back."""
    monkeypatch.setattr(connection, "COMMAND_TIMEOUT_S", 0.2)
    monkeypatch.setattr(connection, "CONNECT_TIMEOUT_S", 0.2)
    client = connect(own_valkey.url)
    await EventLog(client).append("broadcast", EVENTS)
    own_valkey.pause()
    try:
        for call in STORE_CALLS.values():
            with pytest.raises(DeadlineError, match=r"did not answer within 0\.2 s"):
                await call(client)
    finally:
        own_valkey.resume()
    async with asyncio.timeout(10):
        while True:
            try:
                assert (await EventLog(client).append("broadcast", EVENTS)).prev != "0-0"
                break
            except DeadlineError:
                continue
    await client.aclose()


async def test_a_redis_that_was_killed_is_used_again_when_it_is_back(own_valkey: EmbeddedValkey) -> None:
    client = connect(own_valkey.url)
    eventlog = EventLog(client)
    first = await eventlog.append("broadcast", EVENTS)
    own_valkey.kill()
    with pytest.raises(UnavailableError):
        await eventlog.append("broadcast", EVENTS)
    await asyncio.to_thread(own_valkey.start)
    assert (await eventlog.append("broadcast", EVENTS)).prev == first.positions[0]
    await client.aclose()


async def test_connections_that_redis_closed_while_nobody_used_them_are_not_used(own_valkey: EmbeddedValkey) -> None:
    """Each of them would fail one command after a restart of Redis, long after it is back."""
    client = connect(own_valkey.url)
    eventlog = EventLog(client)
    await asyncio.gather(*(eventlog.last_positions(["broadcast"]) for _ in range(4)))
    await asyncio.to_thread(own_valkey.stop)
    await asyncio.to_thread(own_valkey.start)
    for _ in range(4):
        await eventlog.last_positions(["broadcast"])
    await client.aclose()


WAITS: dict[str, Callable[[Redis], Coroutine[Any, Any, Any]]] = {
    "ours": lambda redis: connection.execute(redis, ("BLPOP", "nothing", 0)),
    "the client's": lambda redis: redis.execute_command("BLPOP", "nothing", 0),  # type: ignore[no-untyped-call]  # as redis ships it
}


@pytest.mark.parametrize("turns", range(12))
@pytest.mark.parametrize("way", WAITS)
async def test_a_cancellation_is_never_lost(redis_client: Redis, way: str, turns: int) -> None:
    """At whatever moment it comes, in turns of the event loop: as the command is sent, before it or after."""
    await connection.execute(redis_client, ("PING",))
    waiting = asyncio.create_task(WAITS[way](redis_client))
    for _ in range(turns):
        await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await connection.execute(redis_client, ("ECHO", "next")) == [b"next"]


async def test_a_wrong_password_is_said_without_the_password(redis_url: str) -> None:
    client = connect(redis_url.replace("redis://:", "redis://:wrong"))
    with pytest.raises(UnavailableError, match="refused the password") as refused:
        await EventLog(client).last_positions(["broadcast"])
    assert "wrong" not in str(refused.value)
    await client.aclose()


async def test_a_refusal_of_redis_is_said(redis_client: Redis) -> None:
    """Such as a key of another type, no memory, or a replica that is read-only."""
    await redis_client.set("ipc:log:{broadcast}", "not a stream")
    with pytest.raises(UnavailableError, match=r"Redis refused: .*WRONGTYPE"):
        await EventLog(redis_client).read("broadcast", after="0-0")


async def test_other_errors_pass() -> None:
    with pytest.raises(KeyError):
        async with translated_errors("look something up"):
            raise KeyError("x")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:s3cret@127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("rediss://user:s3cret@redis.internal:6380/2", "rediss://redis.internal:6380/2"),
        ("redis://localhost", "redis://localhost"),
        ("unix:///run/redis.sock?password=s3cret", "unix:///run/redis.sock"),
        ("rediss://:s3cret@[::1]:6380/0?ssl_ca_certs=/ca.pem", "rediss://::1:6380/0"),
        ("redis://:s3/cret@localhost:6379/0", "the URL"),
        ("redis://user:12/s3cret@localhost:6379/0", "the URL"),
        ("redis://user:12#s3cret@localhost:6379/0", "the URL"),
        ("redis://user:s3cret@localhost:99999/0", "the URL"),
        ("redis://[s3cret@localhost", "the URL"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost",
        "redis://:s3/cret@localhost:6379/0",
        "redis://user:s3cret@localhost:99999/0",
        "redis://[s3cret@localhost",
        "redis://:s3cret@localhost/0?ssl_ca_certs=/ca.pem",
        "rediss://:s3cret@localhost/0?ssl_ca_cert=/ca.pem",
        "rediss://:s3cret@localhost/0?ssl_cert_reqs=perhaps",
    ],
)
def test_what_is_no_address_is_said_without_a_part_of_the_password(url: str) -> None:
    with pytest.raises(BadMessageError, match="is no address of a Redis, or has an option that is none") as refused:
        connect(url)
    assert "s3" not in "".join(traceback.format_exception(refused.value))
