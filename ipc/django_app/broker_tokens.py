"""What operators do with broker tokens, and how a command shows them."""

import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from ipc.django_app.audit_trail import command_user
from ipc.django_app.conf import conf
from ipc.hub.mesh import Mesh
from ipc.hub.proofs import Proofs
from ipc.protocol.errors import ForbiddenError, TokenError
from ipc.protocol.moments import moment_ms
from ipc.protocol.services import full_name
from ipc.protocol.tokens import Claims, check_claims
from ipc.stores.connection import connect
from ipc.stores.token_pages import TokenPage
from ipc.stores.tokens import BrokerTokenManager, Minted

T = TypeVar("T")


async def mint(source: str, *, permissions: list[str] | None, **options: Any) -> Minted:
    """Make a token, with what the service gets by its certificate if no permissions are named.

    Raises:
        IPCError: as `BrokerTokenManager.mint` raises it; or ``IPC_PERMISSIONS`` makes no sense, or leaves it none.
        WeakKeyError: there is no good key to sign with.

    """
    chosen = _permissions_of(source) if permissions is None else permissions
    return await _managed(lambda manager: manager.mint(source, permissions=chosen, by=command_user(), **options))


def _permissions_of(source: str) -> Sequence[str]:
    permissions = conf.permissions_of(full_name(source))
    if not permissions:
        raise ForbiddenError(f"IPC_PERMISSIONS leaves {full_name(source)} none: name those that the token is to have")
    return permissions


async def inspect(token: str) -> tuple[Claims, TokenError | None]:
    """Return what a token says, and why it proves nothing, if so; looking at it is no use of it.

    Raises:
        TokenError: TOKEN_INVALID, it is signed with none of our keys.
        UnavailableError: Redis is out of reach.
        WeakKeyError: there is no good key to verify with.

    """
    claims = conf.token_keys().verify(token)
    try:
        check_claims(claims, now_s=time.time(), takes_development=conf.in_development)
    except TokenError as error:
        return claims, error
    (problem,) = await _managed(lambda manager: manager.problems([claims]))
    return claims, problem


async def revoke(token_id: str) -> bool:
    """Revoke a token by its id, tell all hubs, and tell whether anything was known of it.

    Raises:
        IPCError: as `Proofs.revoke` raises it.
        WeakKeyError: there is no good key.

    """
    return await _told(lambda proofs: proofs.revoke(token_id, by=command_user()))


async def revoke_source(source: str, *, before: str | None = None) -> float:
    """Revoke all tokens of a service issued by a moment, until now without one, tell all hubs, and return that moment.

    Raises:
        IPCError: as `Proofs.revoke_source` raises it.
        WeakKeyError: there is no good key.

    """
    before_s = None if before is None else moment_ms(before, now_ms=time.time_ns() // 1_000_000) / 1000
    return await _told(lambda proofs: proofs.revoke_source(source, by=command_user(), before_s=before_s))


async def find(source: str | None, *, after: str, count: int) -> TokenPage:
    """Return tokens that hold.

    Raises:
        IPCError: as `BrokerTokenManager.find` raises it.
        WeakKeyError: there is no good key.

    """
    return await _managed(lambda manager: manager.find(source, after=after, count=count))


def claims_lines(claims: msgspec.Struct) -> Iterator[str]:
    """Yield the lines that say what a token says, of either kind."""
    for name, value in msgspec.to_builtins(claims).items():
        if value not in (None, "", False, [], ()):
            yield f"{name:<15} {_shown(name, value)}"


def _shown(name: str, value: Any) -> str:
    if name in {"iat", "exp"}:
        return f"{value}, {_moment(value)}"
    if name == "permissions" and isinstance(value, dict):
        value = [permission for permission, is_given in value.items() if is_given]
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def token_lines(page: TokenPage) -> Iterator[str]:
    """Yield the lines that list tokens."""
    for record in page.tokens:
        claims = record.claims
        kind = "  stateful" if claims.stateful else ""
        rights = ", ".join(claims.permissions) or "no permissions"
        yield f"{claims.id}  {claims.source} to {claims.target}  until {_moment(claims.exp)}{kind}"
        yield f"  {rights}; made for {record.by}"
    count = len(page.tokens)
    yield f"{count} token{'' if count == 1 else 's'}" + (f"; go on with --after {page.next}" if page.next else "")


def moment_of_issue(seconds: float) -> str:
    """Return a moment to the millisecond, which is how finely tokens are told apart by when they were issued."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S}.{round(seconds * 1000) % 1000:03} UTC"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


async def _managed(do: Callable[[BrokerTokenManager], Awaitable[T]]) -> T:
    redis = connect(conf.redis_url)
    try:
        return await do(conf.token_manager(redis))
    finally:
        await redis.aclose()


async def _told(do: Callable[[Proofs], Awaitable[T]]) -> T:
    """Do something as a hub, whose word reaches the others at once."""
    mesh = Mesh(conf.redis_url, announces=False, make_tokens=conf.token_manager)
    await mesh.start()
    try:
        return await do(mesh.hub.proofs)
    finally:
        await mesh.stop()
