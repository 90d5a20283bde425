"""The checks of a live bridge as a client sees it: over HTTPS, over the socket, an event there and back, and calls."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
import msgspec
from msgspec import UnsetType

from bridge.addresses import bridge_address, reason, socket_address, trusting
from ipc.protocol import codec
from ipc.protocol.errors import IPCError, NoOwnerError, error_from_code
from ipc.protocol.ids import new_ulid
from ipc.protocol.messages import (
    AnyServerMessage,
    Call,
    ClientMessage,
    Emit,
    Error,
    Event,
    JSONLex,
    Ok,
    ServerReply,
    Subscribe,
    Welcome,
)
from ipc.protocol.services import full_name
from ipc.transports.tokens import TokenSource, token_source
from ipc.transports.trust import LOCALHOST, identity_of
from ipc.transports.websocket import WebSocketTransport

logger = logging.getLogger(__name__)

# The bridge's own namespace: no other service hears of a check.
SERVICE: Final = "bridge"
EVENT: Final = "ipccheck:probe"
RESOURCE: Final = "posts"
EXPRESSION: Final = {
    "__jsonlex": True,
    "expr": {
        "fullName": {"$concat": [{"$var": "firstName"}, " ", {"$var": "lastName"}]},
        "isAdult": {"$gte": [{"$var": "age"}, 18]},
    },
}
CONTEXT: Final = {"firstName": "John", "lastName": "Doe", "age": 25}
RESULT: Final = {"fullName": "John Doe", "isAdult": True}
_STATS: Final = {"activeServices", "services", "activeConnections", "connections", "rateLimits"}
M = TypeVar("M", bound=AnyServerMessage)


class Outcome(StrEnum):
    """What became of a check."""

    PASS = "PASS"  # noqa: S105 - no password
    FAIL = "FAIL"
    SKIP = "SKIP"


@dataclass(frozen=True, slots=True)
class Result:
    """A check and what became of it, with the reason where it did not pass."""

    name: str
    outcome: Outcome
    reason: str = ""


class CheckFailedError(Exception):
    """The bridge answered something else than it should; the text says what."""


class CheckSkippedError(Exception):
    """The check could not be run; the text says why."""


async def check_bridge(
    url: str, *, ca_file: Path, timeout_s: float, certs_dir: Path | None = None, token: str = ""
) -> list[Result]:
    """Run the eight checks in their order, each with a deadline, and return what became of them.

    The certificate of the bridge in ``certs_dir`` proves who asks; without it, localhost's is shown to a bridge that
    asks for one, and the token, if there is one, proves it.

    Raises:
        ValueError: the URL is no ``http://`` or ``https://`` address, or the CA file cannot be read.
        IPCError: the certificate cannot be read.

    """
    checked_url = bridge_address(url)
    identity = identity_of(certs_dir, full_name(SERVICE), LOCALHOST)
    context = trusting(ca_file, identity) if checked_url.startswith("https:") else True
    address = socket_address(checked_url)
    tokens = token_source(token, address, SERVICE, certs_dir=certs_dir, ca_file=ca_file)
    socket = _Socket(WebSocketTransport(address, SERVICE, ca_file=ca_file, certs_dir=certs_dir, tokens=tokens))
    async with httpx.AsyncClient(base_url=checked_url, verify=context, timeout=timeout_s, trust_env=False) as http:
        checks: dict[str, Callable[[], Awaitable[None]]] = {
            "Bridge Health Check": lambda: _health(http),
            "Socket Connection": socket.open,
            "IPC Statistics Endpoint": lambda: _statistics(http, tokens),
            "Event Emit": socket.emit,
            "Event Receive": socket.hear,
            "CRUD Create": socket.create,
            "CRUD Read": socket.read,
            "JSONLex Execute": socket.evaluate,
        }
        try:
            return [await _run(name, check, timeout_s) for name, check in checks.items()]
        finally:
            await socket.close(timeout_s)


async def _run(name: str, check: Callable[[], Awaitable[None]], timeout_s: float) -> Result:
    try:
        async with asyncio.timeout(timeout_s):
            await check()
    except CheckSkippedError as skipped:
        return Result(name, Outcome.SKIP, str(skipped))
    except (TimeoutError, httpx.TimeoutException):
        return Result(name, Outcome.FAIL, f"no answer within {timeout_s:g} s")
    except (CheckFailedError, IPCError, httpx.HTTPError, ssl.SSLError) as error:
        return Result(name, Outcome.FAIL, reason(error))
    return Result(name, Outcome.PASS)


async def _health(http: httpx.AsyncClient) -> None:
    response = await http.get("/health")
    health = _json(response)
    if response.status_code != httpx.codes.OK or health.get("status") != "healthy":
        checks = health.get("checks")
        wrong = [
            f"{name}: {check.get('error', 'not ok')}" for name, check in (checks or {}).items() if not check.get("ok")
        ]
        raise CheckFailedError(f"HTTP {response.status_code}, {'; '.join(wrong) or response.text[:100]}")


async def _statistics(http: httpx.AsyncClient, tokens: TokenSource | None) -> None:
    bearer = {"Authorization": f"Bearer {(await tokens.token()).text}"} if tokens is not None else {}
    response = await http.get("/api/ipc/stats", headers=bearer)
    answer = _json(response)
    if response.status_code != httpx.codes.OK or answer.get("success") is not True:
        raise CheckFailedError(f"HTTP {response.status_code}, {answer.get('message', response.text[:100])}")
    if missing := _STATS - (answer.get("data") or {}).keys():
        raise CheckFailedError(f"the statistics lack {', '.join(sorted(missing))}")


class _Socket:
    """One session that hears what it emits."""

    def __init__(self, transport: WebSocketTransport) -> None:
        self._transport = transport
        self._is_open = False
        self._id = new_ulid()
        self._data = {"nonce": new_ulid(), "text": "ünï\n\u2028"}
        self._position: str | None = None
        self._post: dict[str, Any] | None = None
        self._heard: list[AnyServerMessage] = []

    async def open(self) -> None:
        await self._transport.connect()
        await self._next(Welcome)
        self._is_open = True

    async def emit(self) -> None:
        if not self._is_open:
            raise CheckSkippedError("there is no socket to emit on")
        await self._ask(Subscribe(id=new_ulid(), events=[EVENT]))
        ok = await self._ask(Emit(id=self._id, event=EVENT, data=_raw(self._data), target=SERVICE, ack=True))
        self._position = str(ok.position)

    async def hear(self) -> None:
        if self._position is None:
            raise CheckSkippedError("no event was emitted")
        while (event := await self._next(Event)).id != self._id:
            pass
        if msgspec.json.decode(event.data) != self._data or event.position != self._position:
            raise CheckFailedError("the event arrived changed")

    async def create(self) -> None:
        """Create a post that nobody but the bridge's own service sees."""
        if not self._is_open:
            raise CheckSkippedError("there is no socket to call by")
        content = f"ipccheck {self._id}"
        try:
            post = await self._call("create", data=_raw({"content": content, "visibility": "private"}))
        except NoOwnerError as error:
            raise CheckSkippedError(f"nobody serves {RESOURCE}: is Timeline running?") from error
        if not isinstance(post, dict) or not post.get("id") or post.get("content") != content:
            raise CheckFailedError("the reply is not the post that was created")
        self._post = post

    async def read(self) -> None:
        """Read the post by its key and by its user, and delete it again."""
        if (post := self._post) is None:
            raise CheckSkippedError("no post was created")
        page = await self._call("read", query=_raw({"userId": post["userId"]}))
        if await self._call("read", key=post["id"]) != post or post not in page["results"]:
            raise CheckFailedError("the post was not read as it was created")
        await self._call("delete", key=post["id"])
        self._post = None

    async def evaluate(self) -> None:
        if not self._is_open:
            raise CheckSkippedError("there is no socket to ask by")
        ok = await self._ask(JSONLex(id=new_ulid(), expression=EXPRESSION, context=CONTEXT))
        if ok.result != RESULT:
            raise CheckFailedError(f"the result is {str(ok.result)[:100]}, not {RESULT}")

    async def close(self, timeout_s: float) -> None:
        try:
            if self._post is not None:
                async with asyncio.timeout(timeout_s):
                    await self._call("delete", key=self._post["id"])
        except (TimeoutError, IPCError) as error:
            logger.warning("the post %s is still there: %s", self._post and self._post["id"], error)
        finally:
            await self._transport.aclose()

    async def _call(self, op: str, **members: Any) -> Any:
        call = Call(id=new_ulid(), op=op, resource=RESOURCE, **members)
        await self._transport.send(codec.encode(call))
        while (reply := await self._next(ServerReply)).id != call.id:
            pass
        if reply.error is not None:
            raise error_from_code(reply.error.code, reply.error.message)
        return None if isinstance(reply.data, UnsetType) else msgspec.json.decode(reply.data)

    async def _ask(self, message: ClientMessage) -> Ok:
        await self._transport.send(codec.encode(message))
        while (ok := await self._next(Ok)).id != message.id:
            pass
        return ok

    async def _next(self, kind: type[M]) -> M:
        """Wait for a message of a kind, keeping the others; an error is raised."""
        while True:
            for message in self._heard:
                if isinstance(message, Error):
                    # Once: it is no answer to what the next check asks.
                    self._heard.remove(message)
                    raise error_from_code(message.code, message.message)
                if isinstance(message, kind):
                    self._heard.remove(message)
                    return message
            self._heard += codec.decode_server_frame(await self._transport.receive())


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise CheckFailedError(f"HTTP {response.status_code}, and no JSON object: is this a bridge?")
    return answer
