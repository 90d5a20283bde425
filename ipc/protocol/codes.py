"""The codes of errors and of closed sockets, each with the answer to "may I try again?".

The same error codes stand in wire messages and in HTTP answers.
"""

from enum import IntEnum, StrEnum
from typing import Final


class ErrorCode(StrEnum):
    """Why a request was refused or failed."""

    INVALID_JSON = "INVALID_JSON"
    INVALID_MESSAGE = "INVALID_MESSAGE"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    INVALID_EVENT = "INVALID_EVENT"
    INVALID_PATTERN = "INVALID_PATTERN"
    INVALID_POSITION = "INVALID_POSITION"
    INVALID_DATA = "INVALID_DATA"
    INVALID_GROUP = "INVALID_GROUP"
    INVALID_RESOURCE = "INVALID_RESOURCE"
    INVALID_CONFIGURATION = "INVALID_CONFIGURATION"
    UNKNOWN_DELIVERY = "UNKNOWN_DELIVERY"
    UNKNOWN_CALL = "UNKNOWN_CALL"
    RESOURCE_TAKEN = "RESOURCE_TAKEN"
    NO_OWNER = "NO_OWNER"
    OWNER_LOST = "OWNER_LOST"
    OVERLOADED = "OVERLOADED"
    CIRCUIT_OPEN = "CIRCUIT_OPEN"
    CANCELLED = "CANCELLED"
    VALIDATION_FAILED = "VALIDATION_FAILED"
    CONFLICT = "CONFLICT"
    DATA_TOO_LARGE = "DATA_TOO_LARGE"
    FRAME_TOO_LARGE = "FRAME_TOO_LARGE"
    UNKNOWN_SERVICE = "UNKNOWN_SERVICE"
    UNKNOWN_TARGET = "UNKNOWN_TARGET"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    TOKEN_INVALID = "TOKEN_INVALID"  # noqa: S105 - a code, no secret
    TOKEN_EXPIRED = "TOKEN_EXPIRED"  # noqa: S105 - a code, no secret
    TOKEN_NOT_YET_VALID = "TOKEN_NOT_YET_VALID"  # noqa: S105 - a code, no secret
    TOKEN_REVOKED = "TOKEN_REVOKED"  # noqa: S105 - a code, no secret
    TOKEN_WRONG_SERVICE = "TOKEN_WRONG_SERVICE"  # noqa: S105 - a code, no secret
    TOKEN_WRONG_TARGET = "TOKEN_WRONG_TARGET"  # noqa: S105 - a code, no secret
    TOKEN_WRONG_ENVIRONMENT = "TOKEN_WRONG_ENVIRONMENT"  # noqa: S105 - a code, no secret
    FORBIDDEN = "FORBIDDEN"
    NOT_FOUND = "NOT_FOUND"
    EVENT_NOT_FOUND = "EVENT_NOT_FOUND"
    AMBIGUOUS_EVENT = "AMBIGUOUS_EVENT"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    NOT_ACCEPTABLE = "NOT_ACCEPTABLE"
    UNSUPPORTED_MEDIA_TYPE = "UNSUPPORTED_MEDIA_TYPE"
    AUTH_TIMEOUT = "AUTH_TIMEOUT"
    TOO_MANY_SUBSCRIPTIONS = "TOO_MANY_SUBSCRIPTIONS"
    TOO_SLOW = "TOO_SLOW"
    RATE_LIMIT_EXCEEDED = "RATE_LIMIT_EXCEEDED"
    JSONLEX_INVALID = "JSONLEX_INVALID"
    JSONLEX_TOO_DEEP = "JSONLEX_TOO_DEEP"
    JSONLEX_TOO_LARGE = "JSONLEX_TOO_LARGE"
    JSONLEX_TYPE = "JSONLEX_TYPE"
    JSONLEX_RANGE = "JSONLEX_RANGE"
    JSONLEX_TOO_COSTLY = "JSONLEX_TOO_COSTLY"
    JSONLEX_RESULT_TOO_LARGE = "JSONLEX_RESULT_TOO_LARGE"
    UNAVAILABLE = "UNAVAILABLE"
    TIMEOUT = "TIMEOUT"
    DRAINING = "DRAINING"
    INTERNAL = "INTERNAL"

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed when it is sent again unchanged."""
        return self in _RETRYABLE

    @property
    def http_status(self) -> int:
        """The status of an HTTP answer that carries this code (RFC 9110)."""
        return _HTTP_STATUS.get(self, 400)


_RETRYABLE: Final = frozenset(
    {
        ErrorCode.AUTH_TIMEOUT,
        ErrorCode.TOO_SLOW,
        ErrorCode.RATE_LIMIT_EXCEEDED,
        ErrorCode.NO_OWNER,
        ErrorCode.OWNER_LOST,
        ErrorCode.OVERLOADED,
        ErrorCode.CIRCUIT_OPEN,
        ErrorCode.UNAVAILABLE,
        ErrorCode.TIMEOUT,
        ErrorCode.DRAINING,
        ErrorCode.INTERNAL,
    }
)
_HTTP_STATUS: Final = {
    ErrorCode.DATA_TOO_LARGE: 413,
    ErrorCode.FRAME_TOO_LARGE: 413,
    ErrorCode.UNKNOWN_SERVICE: 404,
    ErrorCode.UNKNOWN_TARGET: 404,
    ErrorCode.NOT_IMPLEMENTED: 501,
    ErrorCode.UNAUTHENTICATED: 401,
    ErrorCode.TOKEN_INVALID: 401,
    ErrorCode.TOKEN_EXPIRED: 401,
    ErrorCode.TOKEN_NOT_YET_VALID: 401,
    ErrorCode.TOKEN_REVOKED: 401,
    ErrorCode.TOKEN_WRONG_SERVICE: 401,
    ErrorCode.TOKEN_WRONG_TARGET: 401,
    ErrorCode.TOKEN_WRONG_ENVIRONMENT: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.EVENT_NOT_FOUND: 404,
    ErrorCode.AMBIGUOUS_EVENT: 409,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.NOT_ACCEPTABLE: 406,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE: 415,
    ErrorCode.RESOURCE_TAKEN: 409,
    ErrorCode.CONFLICT: 409,
    ErrorCode.NO_OWNER: 503,
    ErrorCode.OWNER_LOST: 502,
    ErrorCode.OVERLOADED: 503,
    ErrorCode.CIRCUIT_OPEN: 503,
    ErrorCode.AUTH_TIMEOUT: 408,
    ErrorCode.TOO_SLOW: 429,
    ErrorCode.RATE_LIMIT_EXCEEDED: 429,
    ErrorCode.TOO_MANY_SUBSCRIPTIONS: 429,
    ErrorCode.JSONLEX_TOO_LARGE: 413,
    ErrorCode.JSONLEX_RESULT_TOO_LARGE: 413,
    ErrorCode.UNAVAILABLE: 503,
    ErrorCode.TIMEOUT: 504,
    ErrorCode.DRAINING: 503,
    ErrorCode.INTERNAL: 500,
}


class CloseCode(IntEnum):
    """Why the bridge closed a socket (4000 to 4999 are free for applications, RFC 6455 section 7.4.2)."""

    BAD_FRAME = 4400
    UNAUTHENTICATED = 4401
    FORBIDDEN = 4403
    UNKNOWN_SERVICE = 4404
    AUTH_TIMEOUT = 4408
    TOO_LARGE = 4413
    TOO_SLOW = 4429
    REVOKED = 4430
    DISCONNECTED = 4440
    DISMISSED = 4441
    INTERNAL = 4500
    DRAINING = 4503

    @property
    def reconnect(self) -> bool:
        """Whether a client should connect again by itself."""
        return self in _RECONNECT


MAX_REASON_BYTES: Final = 123
"""What is left of a control frame's 125 bytes after the close code (RFC 6455 section 5.5)."""


def close_reason(text: str) -> str:
    """Return as much of a text as fits into a close frame, in whole characters."""
    return text.encode()[:MAX_REASON_BYTES].decode(errors="ignore")


_RECONNECT: Final = frozenset(
    {CloseCode.AUTH_TIMEOUT, CloseCode.TOO_SLOW, CloseCode.DISCONNECTED, CloseCode.INTERNAL, CloseCode.DRAINING}
)

_REASONS: Final[dict[int, ErrorCode]] = {
    CloseCode.UNAUTHENTICATED: ErrorCode.UNAUTHENTICATED,
    CloseCode.FORBIDDEN: ErrorCode.FORBIDDEN,
    CloseCode.UNKNOWN_SERVICE: ErrorCode.UNKNOWN_SERVICE,
    CloseCode.TOO_LARGE: ErrorCode.FRAME_TOO_LARGE,
    CloseCode.REVOKED: ErrorCode.TOKEN_REVOKED,
    CloseCode.DISMISSED: ErrorCode.CANCELLED,
}


def may_reconnect(close_code: int) -> bool:
    """Tell whether a client should connect again after any close code, the standard ones included.

    Codes outside 4000-4999 mean a lost network or a stopped server, so they say yes, except 1003, 1007, 1008 and
    1009 (RFC 6455 section 7.4.1): what the client sent was refused and would be again.
    """
    try:
        return CloseCode(close_code).reconnect
    except ValueError:
        return close_code not in {1003, 1007, 1008, 1009}


def closed_because(close_code: int) -> ErrorCode:
    """Return the code of the error that a close code means to a client.

    It says "try again" exactly where `may_reconnect` does.
    """
    if may_reconnect(close_code):
        return ErrorCode.UNAVAILABLE
    return _REASONS.get(close_code, ErrorCode.INVALID_MESSAGE)
