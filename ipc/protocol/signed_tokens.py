"""What all our tokens share, whoever signs them: the form of a JWT (RFC 7519), its header, and when it holds."""

import json
import re
from typing import Final
from urllib.parse import parse_qsl

import jwt

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import TokenError, UnauthenticatedError

MAX_TOKEN_BYTES: Final = 8_192
"""As much as every server takes in one header."""
LEEWAY_S: Final = 5.0
"""How far ahead the clock of whoever signed a token may be; what has expired has expired."""
_MEMBERS: Final = frozenset({"alg", "typ", "kid"})
# What others have put tokens into.
_NAMES: Final = frozenset(
    {"token", "access_token", "broker_token", "brokertoken", "auth", "authorization", "jwt", "bearer"}
)
# How a token begins whatever it is called: the header and the claims of a JWT are JSON objects.
_BEGIN: Final = re.compile(r"eyJ[A-Za-z0-9_-]*\.eyJ[A-Za-z0-9_-]*\.")
_PARTS: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


def header_of(token: str) -> dict[str, str]:
    """Return the header of a token, as far as it is one of ours; PyJWT would look at other members of it, too.

    Raises:
        TokenError: TOKEN_INVALID, it is no token, too large, or brings something else along, such as a key.

    """
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenError(f"a token has at most {MAX_TOKEN_BYTES} characters, this one has {len(token)}")
    if not _PARTS.fullmatch(token):
        raise TokenError("this is no token: one has three parts of letters, digits, '-' and '_', divided by dots")
    try:
        header = json.loads(jwt.utils.base64url_decode(token.partition(".")[0]))
    except (ValueError, RecursionError) as error:
        raise TokenError("the header of the token is no JSON") from error
    if not isinstance(header, dict) or not all(isinstance(value, str) for value in header.values()):
        raise TokenError("the header of the token is not an object of texts")
    if not header.keys() <= _MEMBERS:
        raise TokenError("the header of the token says something else than alg, typ and kid")
    return header


def bearer_of(authorization: str) -> str | None:
    """Return the token that a header ``Authorization`` has, or None where it has another scheme (RFC 6750)."""
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def check_address(query: str) -> None:
    """Refuse a token in an address, which ends in logs and histories (RFC 9700, section 4.3.2).

    Raises:
        UnauthenticatedError: there is one in the query.

    """
    said = parse_qsl(query, keep_blank_values=True)
    if any(name.lower() in _NAMES or _BEGIN.search(name) or _BEGIN.search(value) for name, value in said):
        raise UnauthenticatedError(
            "a token does not belong into an address, which is written down in many places, so take it for known to "
            "others: send one as Authorization: Bearer, or in auth"
        )


def claimed_algorithm(token: str) -> str | None:
    """Return what a token says it is signed with, or None where it is no token.

    It is for telling kinds of tokens apart before one is verified, and proves nothing.
    """
    try:
        return header_of(token).get("alg")
    except TokenError:
        return None


def check_lifetime(lifetime_s: float, *, most_s: int) -> None:
    """Refuse a token that says to hold for no time at all, or for longer than one of its kind may.

    Raises:
        TokenError: TOKEN_INVALID.

    """
    if not 0 < lifetime_s <= most_s:
        raise TokenError(f"a token holds for more than 0 and at most {most_s} s, this one for {lifetime_s:.0f} s")


def check_times(*, issued_s: float, expires_s: float, now_s: float) -> None:
    """Refuse a token that does not hold yet, or not any more. All times are Unix seconds.

    Raises:
        TokenError: TOKEN_NOT_YET_VALID or TOKEN_EXPIRED.

    """
    if issued_s > now_s + LEEWAY_S:
        raise TokenError(
            f"the token is valid only in {issued_s - now_s:.0f} s: set the clocks of both machines",
            code=ErrorCode.TOKEN_NOT_YET_VALID,
        )
    if expires_s <= now_s:
        raise TokenError(f"the token expired {now_s - expires_s:.0f} s ago", code=ErrorCode.TOKEN_EXPIRED)
