"""Broker tokens: what one says, how it is signed (JWT, RFC 7519, HS256 and nothing else), and when it proves something.

A token says which service its bearer is and what it may do. Whether it was revoked is for `ipc.stores.tokens` to say.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jwt
import msgspec

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, TokenError
from ipc.protocol.ids import ulid_ms
from ipc.protocol.permissions import check_permissions
from ipc.protocol.services import SERVICES, full_name
from ipc.protocol.signed_tokens import check_lifetime, check_times, header_of

TYPE: Final = "broker"
VERSION: Final = "1.0"
ANY_TARGET: Final = "*"
DEVELOPMENT: Final = "dev"
ALGORITHM: Final = "HS256"
MAX_LIFETIME_S: Final = 31 * 86_400
"""No token is valid for longer, so that no revocation has to be remembered for longer."""
MIN_KEY_BYTES: Final = 32
"""The length of what HS256 computes (RFC 7518, section 3.2)."""
_MIN_DIFFERENT_BYTES: Final = 10
_KNOWN_TARGETS: Final = frozenset({ANY_TARGET, *SERVICES})
_OF_CA_TOKENS: Final = frozenset({"RS256", "ES256", "ES384"})


class Claims(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a token says. Times are Unix seconds; fractions of them order what happens within one."""

    id: str
    type: str = TYPE
    version: str = VERSION
    source: str
    target: str = ANY_TARGET
    operation: str = "ipc"
    iat: float
    exp: float
    stateful: bool = False
    state_key: str | None = None
    rate_limit_exempt: bool = False
    auth_bypass: bool = False
    data: Any = None
    metadata: Any = None
    permissions: tuple[str, ...] = ()
    env: str = ""

    def remaining_s(self, now_s: float) -> float:
        """Return how many seconds it is still valid for; none or less when it has expired."""
        return self.exp - now_s


class WeakKeyError(ValueError):
    """A key that could be guessed, or is none."""


@dataclass(frozen=True, slots=True, repr=False)
class TokenKey:
    """A secret that tokens are signed with, and the name that their header has for it."""

    id: str
    secret: bytes

    @classmethod
    def of(cls, text: str) -> "TokenKey":
        """Return the key of a text.

        Raises:
            WeakKeyError: it has fewer than 32 bytes, or hardly any that differ.

        """
        secret = text.encode()
        if len(secret) < MIN_KEY_BYTES:
            raise WeakKeyError(f"a key has at least {MIN_KEY_BYTES} bytes, this one has {len(secret)}")
        if len(set(secret)) < _MIN_DIFFERENT_BYTES:
            raise WeakKeyError(f"a key is random, this one has only {len(set(secret))} different bytes")
        # A name that says nothing of the secret, and is the same in every process that has it.
        name = hmac.new(secret, b"exprsn broker key id", hashlib.sha256).hexdigest()[:16]
        return cls(name, secret)


class TokenKeys:
    """The keys of a mesh: the first one signs, all of them verify.

    Args:
        keys: newest first.

    Raises:
        WeakKeyError: there is none.

    """

    def __init__(self, keys: Iterable[TokenKey]) -> None:
        self._keys = {key.id: key for key in keys}
        if not self._keys:
            raise WeakKeyError("there is no key")

    @classmethod
    def of(cls, text: str) -> "TokenKeys":
        """Return the keys of a text, divided by commas.

        Raises:
            WeakKeyError: there is none, or one of them could be guessed.

        """
        return cls(TokenKey.of(part.strip()) for part in text.split(",") if part.strip())

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the keys, newest first."""
        return tuple(self._keys)

    def sign(self, claims: Claims) -> str:
        """Return the token that says it."""
        key = next(iter(self._keys.values()))
        payload = msgspec.json.encode(claims)
        header = {"alg": ALGORITHM, "typ": "JWT", "kid": key.id}
        token: str = jwt.api_jws.PyJWS().encode(payload, key.secret, algorithm=ALGORITHM, headers=header)
        return token

    def verify(self, token: str) -> Claims:
        """Return what a token says, if one of the keys has signed it.

        Raises:
            TokenError: TOKEN_INVALID, it is no token, too large, or nobody here has signed it.

        """
        header = header_of(token)
        if header.get("alg") != ALGORITHM:
            raise TokenError(f"a broker token is signed with {ALGORITHM}, and nothing else is taken{_seems(header)}")
        key = self._keys.get(header.get("kid", ""))
        if key is None:
            raise TokenError("the token is signed with a key that this bridge does not have, or not any more")
        try:
            payload = jwt.api_jws.PyJWS().decode(token, key.secret, algorithms=[ALGORITHM])
        except jwt.InvalidTokenError as error:
            raise TokenError("the signature of the token is wrong") from error
        try:
            return msgspec.json.decode(payload, type=Claims)
        except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
            raise TokenError(f"the token does not say what a broker token says: {error}") from error


def check_claims(
    claims: Claims,
    *,
    now_s: float,
    accepted_targets: Sequence[str] = (),
    source: str | None = None,
    takes_development: bool = False,
) -> None:
    """Refuse a token that is signed, but proves nothing here and now.

    Args:
        now_s: Unix seconds.
        accepted_targets: the full names that it may be meant for, besides ``*``; empty takes every target.
        source: the full name of the service that its bearer wants to be, where that is known.
        takes_development: whether tokens of development machines count.

    Raises:
        TokenError: with the code of what is wrong.

    """
    check_form(claims)
    if claims.env == DEVELOPMENT and not takes_development:
        raise TokenError(
            "the token was made on a development machine and counts for nothing here",
            code=ErrorCode.TOKEN_WRONG_ENVIRONMENT,
        )
    check_times(issued_s=claims.iat, expires_s=claims.exp, now_s=now_s)
    if source is not None and claims.source != source:
        raise TokenError(f"the token is {claims.source}'s, not {source}'s", code=ErrorCode.TOKEN_WRONG_SERVICE)
    if accepted_targets and claims.target not in {ANY_TARGET, *accepted_targets}:
        raise TokenError(
            f"the token is for {claims.target}, not for {' or '.join(accepted_targets)}",
            code=ErrorCode.TOKEN_WRONG_TARGET,
        )


def target_name(target: str) -> str:
    """Return a target as a token has it: ``*``, or the full name of a service given by either name.

    Raises:
        UnknownServiceError: there is no such service.

    """
    return target if target == ANY_TARGET else full_name(target)


def check_form(claims: Claims) -> None:
    """Refuse what no broker token says, whenever and wherever it is read.

    Raises:
        TokenError: TOKEN_INVALID, with what is wrong.

    """
    if claims.type != TYPE or claims.version != VERSION:
        kind = f"{claims.type[:20]!r} {claims.version[:20]!r}"
        raise TokenError(f"this is a token of the type {kind}, not {TYPE!r} {VERSION!r}")
    if ulid_ms(claims.id) is None:
        raise TokenError("the token's id is none: it is a ULID")
    if claims.source not in SERVICES or claims.target not in _KNOWN_TARGETS:
        raise TokenError("the token's source or target is no service of the catalogue, by its full name")
    if claims.env not in {"", DEVELOPMENT}:
        raise TokenError(f"the token is of an environment that is none; the only one with a name is {DEVELOPMENT!r}")
    check_lifetime(claims.exp - claims.iat, most_s=MAX_LIFETIME_S)
    if claims.stateful and ulid_ms(claims.state_key or "") is None:
        raise TokenError("the token is stateful, but its stateKey is no ULID")
    try:
        check_permissions(claims.permissions)
    except BadMessageError as error:
        raise TokenError(f"the token's permissions are wrong: {error.message}") from error


def _seems(header: Mapping[str, str]) -> str:
    """Say what a token that is refused seems to be, for whoever has mixed the kinds up: nothing is taken for it."""
    if header.get("alg") in _OF_CA_TOKENS:
        return "; this one looks like a CA token, which counts at Timeline's HTTP API"
    return ""
