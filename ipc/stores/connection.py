"""Connections to Redis, with a deadline on everything that waits."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import hiredis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoScriptError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.maint_notifications import MaintNotificationsConfig

from ipc.protocol.errors import BadMessageError, DeadlineError, UnavailableError

CONNECT_TIMEOUT_S = 2.0
COMMAND_TIMEOUT_S = 5.0
MAX_CONNECTIONS = 64


def connect(url: str, *, max_connections: int = MAX_CONNECTIONS) -> Redis:
    """Return a client with a bounded pool; nothing is sent before the first command.

    A command is not repeated by the client: an append that timed out may have happened, and only the emitter, who has
    the event's id, can repeat it safely.

    Raises:
        BadMessageError: as `check_url` does.

    """
    check_url(url)
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=max_connections,
        timeout=COMMAND_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=COMMAND_TIMEOUT_S,
        health_check_interval=0,
        retry=Retry(NoBackoff(), 0),
        # Where they are on, as by default, the client (8.1) hands out connections that Redis closed while they were
        # idle, and each of them fails one command after a restart.
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )
    # TCP, TLS or a socket in the file system, as the URL says.
    pool.connection_class = type("Connection", (_LosesNoCancellation, pool.connection_class), {})
    return Redis.from_pool(pool)


class _LosesNoCancellation:
    """What makes a connection of the client be cancelled by whatever cancels it while it sends.

    The client sends with `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes as the sending
    ends (bugs.python.org/issue37658): of 200 at that moment 121 were lost, and what was to end went on for ever.
    """

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        """Send a command that is encoded already."""
        task = asyncio.current_task()
        cancellations = task.cancelling() if task is not None else 0
        await super().send_packed_command(*args, **kwargs)  # type: ignore[misc]  # the client's own class comes next
        if task is not None and task.cancelling() > cancellations:
            # As the client does itself: the next user of the connection must not read what is answered to this.
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]  # as above
            raise asyncio.CancelledError


def check_url(url: str) -> None:
    """Look whether a Redis URL is one, with options that the client knows; nothing is sent.

    Raises:
        BadMessageError: it is none. What was found there is not said, since it may be a part of the password.

    """
    try:
        pool = BlockingConnectionPool.from_url(url)
        pool.connection_class(**pool.connection_kwargs)
    except (ValueError, TypeError, AttributeError, RedisError):
        raise BadMessageError(
            f"{without_password(url)} is no address of a Redis, or has an option that is none: write"
            " redis://user:password@host:6379/0, or rediss:// with ?ssl_ca_certs=FILE for TLS, and special characters"
            " of the password percent-encoded"
        ) from None


Command = Sequence[str | bytes | int]
Call = tuple[Sequence[str], Sequence[str | bytes | int]]
"""The keys and the arguments of a script."""


class Script:
    """A Lua script and the name that Redis knows it by."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def without_password(url: str) -> str:
    """Return a Redis URL that may be shown: scheme, host, port and database.

    A password whose ``/``, ``?`` or ``#`` is not percent-encoded looks like a host or a path; then nothing is shown.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "the URL"
    if "@" in f"{parts.path}{parts.query}{parts.fragment}":
        return "the URL"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


async def execute(redis: Redis, *commands: Command) -> list[Any]:
    """Send commands on one connection of the pool in one go, and return their replies as Redis gives them.

    A command that Redis refuses has its `ResponseError` as its reply; the others are carried out all the same.

    The client's own ways (``Script``, ``pipeline``) do this at a third more of this process's time (measured: Valkey
    9.1, an append of 20 events, 250 against 175 us), and every event passes here. Its way to write commands down takes
    95 us for an acknowledgement of 90 positions, that of hiredis 9.

    Raises:
        RedisError: no connection, or it was lost; the commands may have been carried out.

    """
    packed = [hiredis.pack_command(tuple(command)) for command in commands]  # type: ignore[arg-type]  # typed as a tuple of one
    connection = await redis.connection_pool.get_connection()  # type: ignore[no-untyped-call]  # as redis ships it
    try:
        await connection.send_packed_command(packed)
        return [await _reply(connection) for _ in commands]
    except BaseException:
        # What was sent may still be answered; the next user of the connection must not read that.
        await connection.disconnect(nowait=True)
        raise
    finally:
        await redis.connection_pool.release(connection)


async def _reply(connection: Any) -> Any:
    try:
        return await connection.read_response()
    except ResponseError as error:
        return error


async def run_script(redis: Redis, script: Script, keys: Sequence[str], args: Sequence[str | bytes | int]) -> Any:
    """Run a Lua script by its name, in full the first time (EVALSHA, EVAL).

    Raises:
        RedisError: as `execute` raises it, or what the script failed with.

    """
    (reply,) = await run_scripts(redis, script, [(keys, args)])
    return reply


async def run_scripts(redis: Redis, script: Script, calls: Sequence[Call]) -> list[Any]:
    """Run a Lua script for each of some keys and arguments, in one round trip.

    Raises:
        RedisError: as `execute` raises it, or what the script failed with first; the others were run all the same.

    """
    rest = [(len(keys), *keys, *args) for keys, args in calls]
    replies = await execute(redis, *(("EVALSHA", script.sha, *each) for each in rest))
    unknown = [at for at, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
    if unknown:
        again = await execute(redis, *(("EVAL", script.text, *rest[at]) for at in unknown))
        for at, reply in zip(unknown, again, strict=True):
            replies[at] = reply
    for reply in replies:
        if isinstance(reply, ResponseError):
            raise reply
    return replies


@asynccontextmanager
async def translated_errors(doing: str) -> AsyncIterator[None]:
    """Turn the errors of the client into ours.

    Raises:
        DeadlineError: no answer in time; what was asked may have happened.
        UnavailableError: Redis cannot be reached or trusted, is loading, read-only or out of memory.

    """
    try:
        yield
    except (TimeoutError, RedisTimeoutError) as error:
        raise DeadlineError(f"{doing}: Redis did not answer within {COMMAND_TIMEOUT_S:g} s") from error
    except AuthenticationError as error:
        raise UnavailableError(f"{doing}: Redis refused the password of its URL") from error
    except ResponseError as error:
        raise UnavailableError(f"{doing}: Redis refused: {error}") from error
    except (RedisError, OSError) as error:
        if isinstance(error.__cause__ or error.__context__, ssl.SSLCertVerificationError):
            hint = "its CA is ssl_ca_certs in the URL, as in rediss://…?ssl_ca_certs=/path/ca.pem"
            raise UnavailableError(f"{doing}: the certificate of Redis is not trusted: {error} {hint}") from error
        raise UnavailableError(f"{doing}: Redis is out of reach: {error}") from error
