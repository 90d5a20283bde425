"""Who is let in at a namespace, by the rules of the native door, and what the session hears from the beginning."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Struct

from bridge import handshake
from bridge.handshake import RefusedError
from ipc.hub.session import Identity, Origin
from ipc.protocol.codes import CloseCode
from ipc.protocol.errors import BadMessageError, UnknownServiceError
from ipc.protocol.services import SHORT_NAMES, full_name

PREFIX: Final = "/ipc/"


class ConnectAuth(Struct, rename="camel"):
    """What ``auth`` of socket.io-client may say.

    Args:
        subscribe: patterns to hear from the beginning; None for all that the token permits, an empty list for none.
        positions: the last position seen in each log, to be told what was missed.

    """

    token: str | None = None
    subscribe: list[str] | None = None
    positions: dict[str, str] | None = None
    instance: str = ""
    hostname: str = ""
    version: str = ""
    pid: int = 0


def auth_of(given: Any) -> ConnectAuth:
    """Return what a client has said of itself as it connects.

    Raises:
        RefusedError: 4400, it makes no sense.

    """
    try:
        return msgspec.convert(given or {}, ConnectAuth)
    except msgspec.ValidationError as error:
        raise RefusedError(BadMessageError(f"auth: {error}"), CloseCode.BAD_FRAME) from None


def service_of(namespace: str) -> str:
    """Return the full name of the service whose namespace this is.

    Raises:
        RefusedError: 4404, there is no such namespace.

    """
    try:
        if namespace.startswith(PREFIX):
            return full_name(namespace.removeprefix(PREFIX))
    except UnknownServiceError:
        pass
    error = UnknownServiceError(
        f"there is no namespace {namespace[:64]!r}: connect to /ipc/<service>, which is one of {', '.join(SHORT_NAMES)}"
    )
    raise RefusedError(error, CloseCode.UNKNOWN_SERVICE)


async def identify(service: str, scope: Mapping[str, Any], auth: ConnectAuth) -> Identity:
    """Return who connects, as the native door would.

    Raises:
        RefusedError: there is no proof, or it proves nothing.

    """
    headers, client = dict(scope["headers"]), scope.get("client")
    handshake.check_origin(headers)
    handshake.check_address(scope.get("query_string", b""))
    token = auth.token or handshake.bearer_of(scope["headers"])
    identity = handshake.bypassed_identity(service, client, headers) if token is None else None
    if identity is not None:
        return identity
    if token is None:
        raise handshake.proof_missing()
    return await handshake.identity_from_token(token, service=service, by=client[0] if client else "unknown")


def origin_of(scope: Mapping[str, Any], auth: ConnectAuth) -> Origin:
    """Return where the session comes from, as ``auth`` or else the headers say it."""
    said = {"pid": str(auth.pid) if auth.pid > 0 else "", "hostname": auth.hostname, "version": auth.version}
    said["instance"] = auth.instance
    headers = dict(scope["headers"]) | {
        f"x-ipc-{name}".encode(): value.encode("latin-1", "replace") for name, value in said.items() if value
    }
    return handshake.origin_of(headers, scope.get("client"), door="socketio")


def first_subscription(identity: Identity, auth: ConnectAuth) -> dict[str, Any] | None:
    """Return the members of the ``subscribe`` that the door makes for a session, None where it hears nothing yet."""
    patterns = auth.subscribe
    if patterns is None:
        permitted = sorted(
            permission.removeprefix("subscribe:")
            for permission in identity.permissions
            if permission.startswith("subscribe:")
        )
        patterns = ["*"] if identity.permissions & {"*", "subscribe:*"} else permitted
    if not patterns:
        return None
    return {"events": patterns} | ({"since": auth.positions} if auth.positions else {})
