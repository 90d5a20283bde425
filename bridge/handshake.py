"""Who is at the door: the namespace, the origin and the proof of a new connection, before it becomes a session."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http.request import validate_host

from ipc.django_app.bypass import bypass_uses, is_bypass_on, problem_of
from ipc.django_app.conf import conf
from ipc.django_app.runtime import current_hub
from ipc.hub.hub import Hub
from ipc.hub.session import Identity, Origin, Peer, Session
from ipc.protocol import signed_tokens
from ipc.protocol.codec import FrameError
from ipc.protocol.codes import CloseCode, ErrorCode, may_reconnect
from ipc.protocol.discovery import version_of
from ipc.protocol.errors import (
    ForbiddenError,
    IPCError,
    OverloadedError,
    TokenError,
    UnauthenticatedError,
    UnavailableError,
    UnknownServiceError,
    error_from_code,
)
from ipc.protocol.ids import new_ulid
from ipc.protocol.services import full_name, is_service

Headers = Mapping[bytes, bytes]

_INSTANCE = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
_HOSTNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,251}[A-Za-z0-9])?")


_CODES_OF_ENDS = {
    CloseCode.REVOKED: ErrorCode.TOKEN_REVOKED,
    CloseCode.UNAUTHENTICATED: ErrorCode.TOKEN_EXPIRED,
    CloseCode.DRAINING: ErrorCode.DRAINING,
}


@dataclass(slots=True)
class RefusedError(Exception):
    """A connection that is not let in: the error that is sent to it, and the code it is closed with.

    ``is_proved`` says that it is known to be of the service that it wants to be.
    """

    error: IPCError
    close_code: CloseCode
    is_proved: bool = False


def count_refusal(refused: RefusedError, name: str) -> None:
    """Count a connection that is not let in; hubs count tokens by themselves.

    Args:
        refused: why.
        name: of the service that it wanted to be, as it has said it; not kept if there is none of that name.

    """
    hub = current_hub()
    if hub is None or isinstance(refused.error, TokenError):
        return
    named, service = hub.counters.named, full_name(name) if is_service(name) else None
    if refused.is_proved:
        named.refuse(service, refused.error.code)
    else:
        named.refuse_stranger(service, refused.error.code)


def name_in(scope: Mapping[str, Any]) -> str:
    """Return the name of the service whose namespace a connection asks for; there may be none of that name."""
    return str(scope["url_route"]["kwargs"].get("service", ""))


def service_of(scope: Mapping[str, Any]) -> str:
    """Return the full name of the service whose namespace a connection asks for.

    Raises:
        RefusedError: 4404, there is no such service.

    """
    name = name_in(scope)
    if not name:
        error = UnknownServiceError("sockets are opened at /ipc/<service>")
        raise RefusedError(error, CloseCode.UNKNOWN_SERVICE)
    try:
        return full_name(name)
    except UnknownServiceError as error:
        raise RefusedError(error, CloseCode.UNKNOWN_SERVICE) from None


def check_origin(headers: Headers) -> None:
    """Refuse a web page of a foreign site that opens a socket with its visitor's browser (RFC 6455, section 10.2).

    Programs send no ``Origin``; a browser always does.

    Raises:
        RefusedError: 4403.

    """
    origin = headers.get(b"origin")
    if origin is None:
        return
    try:
        host = urlsplit(origin.decode("latin-1")).hostname or ""
    except ValueError:
        # Such as "http://[": no page has such an origin.
        host = ""
    # An address of IPv6 has its brackets there.
    if not validate_host(f"[{host}]" if ":" in host else host, settings.ALLOWED_HOSTS):
        raise RefusedError(
            ForbiddenError(f"pages of {host[:100]!r} may not open sockets here; ALLOWED_HOSTS names those that may"),
            CloseCode.FORBIDDEN,
        )


def bypassed_identity(service: str, client: tuple[str, int] | None, headers: Headers) -> Identity | None:
    """Return the identity that a development machine gives to whoever asks, or None where a proof is needed.

    It is for the machine itself only, whatever address the server was told to listen on, and not for what a proxy
    on it lets through.
    """
    if not (is_bypass_on() and conf.ipc_bypass_auth):
        return None
    peer = client[0] if client is not None else ""
    if problem_of(peer, (name.decode("latin-1") for name in headers)) is not None:
        return None
    bypass_uses.add("socket", service, by=peer)
    return Identity(service=service, permissions=frozenset({"*"}), is_dev_bypass=True)


async def identity_from_token(token: str, *, service: str | None = None, by: str = "unknown") -> Identity:
    """Return who the bearer of a broker token is.

    Args:
        service: the full name of the service that the bearer wants to be, where that is known.
        by: where the bearer came from, for the audit trail.

    Raises:
        RefusedError: 4401 or 4430, it does not prove it; 4503, nobody can tell right now.

    """
    hub = current_hub()
    if hub is None:
        raise not_running()
    try:
        return await hub.proofs.identify(token, service=service, by=by)
    except TokenError as error:
        is_revoked = error.code is ErrorCode.TOKEN_REVOKED
        raise RefusedError(error, CloseCode.REVOKED if is_revoked else CloseCode.UNAUTHENTICATED) from None
    except UnavailableError as error:
        raise RefusedError(error, CloseCode.DRAINING) from None


def check_address(query: bytes) -> None:
    """Refuse a token in an address, which ends in logs and histories (RFC 9700, section 4.3.2).

    Raises:
        RefusedError: 4401.

    """
    try:
        signed_tokens.check_address(query.decode("latin-1"))
    except UnauthenticatedError as error:
        raise RefusedError(error, CloseCode.UNAUTHENTICATED) from None


def bearer_of(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """Return the token of the header ``Authorization``, or None where there is no such header (RFC 6750).

    Raises:
        RefusedError: 4401, it is something else, or there are two.

    """
    found = [value.decode("latin-1") for name, value in headers if name.lower() == b"authorization"]
    if not found:
        return None
    scheme, _, token = found[0].partition(" ")
    if len(found) > 1 or scheme.lower() != "bearer" or not token:
        raise RefusedError(
            UnauthenticatedError("the header Authorization is, once, Bearer and a broker token"),
            CloseCode.UNAUTHENTICATED,
        )
    return token


def auth_timed_out(limit_ms: int) -> RefusedError:
    """Return the refusal of a connection that did not send ``auth`` in time."""
    return RefusedError(
        UnauthenticatedError(
            f"the first message is auth, within {limit_ms / 1000:g} seconds", code=ErrorCode.AUTH_TIMEOUT
        ),
        CloseCode.AUTH_TIMEOUT,
    )


def auth_missing() -> RefusedError:
    """Return the refusal of a connection that began with something else, and would again."""
    return RefusedError(
        UnauthenticatedError("the first message is auth, with a broker token"), CloseCode.UNAUTHENTICATED
    )


def proof_missing() -> RefusedError:
    """Return the refusal of a Socket.IO connection without a proof."""
    return RefusedError(
        UnauthenticatedError("no broker token: give one as auth: { token }, or as Authorization: Bearer"),
        CloseCode.UNAUTHENTICATED,
    )


def frame_refused(error: FrameError) -> RefusedError:
    """Return the refusal of a connection whose first frame cannot be taken apart."""
    too_large = error.code is ErrorCode.FRAME_TOO_LARGE
    return RefusedError(error, CloseCode.TOO_LARGE if too_large else CloseCode.BAD_FRAME)


def not_running(*, is_proved: bool = False) -> RefusedError:
    """Return the refusal of a connection that came while the hub does not run."""
    return RefusedError(
        UnavailableError("this bridge is starting or stopping, or has no REDIS_URL", code=ErrorCode.DRAINING),
        CloseCode.DRAINING,
        is_proved,
    )


def ended_before(code: CloseCode, reason: str) -> RefusedError:
    """Return the refusal of a connection whose session was closed, with a code, before it had begun."""
    usual = ErrorCode.UNAVAILABLE if may_reconnect(code) else ErrorCode.FORBIDDEN
    return RefusedError(error_from_code(_CODES_OF_ENDS.get(code, usual), reason), code, is_proved=True)


def attached(hub: Hub, peer: Peer, identity: Identity, origin: Origin) -> Session:
    """Let a connection in whose identity is verified.

    Raises:
        RefusedError: 4503, its service has as many sessions at this bridge as it may.

    """
    try:
        return hub.attach(peer, identity, origin)
    except OverloadedError as error:
        raise RefusedError(error, CloseCode.DRAINING, is_proved=True) from None


def origin_of(headers: Headers, client: tuple[str, int] | None, *, door: str = "websocket") -> Origin:
    """Return where a session comes from; what the client says of itself is for showing only, so it is only checked."""
    pid = headers.get(b"x-ipc-pid", b"").decode("latin-1")
    hostname = headers.get(b"x-ipc-hostname", b"").decode("latin-1")
    instance = headers.get(b"x-ipc-instance", b"").decode("latin-1")
    return Origin(
        door=door,
        pid=int(pid) if pid.isascii() and pid.isdigit() and len(pid) <= 10 else 0,  # noqa: PLR2004 - 32 bits
        hostname=hostname if _HOSTNAME.fullmatch(hostname) else (client[0] if client else "unknown"),
        instance_id=instance if _INSTANCE.fullmatch(instance) else new_ulid(),
        version=version_of(headers.get(b"x-ipc-version", b"").decode("latin-1")),
    )
