"""The errors of the protocol, one tree.

::

    IPCError                    code, retryable, details, retry_after_ms
    +-- BadMessageError         what was sent is wrong: JSON, type, field, name, position, size
    |   +-- UnknownServiceError   no such service in the catalogue
    |   +-- UnknownTargetError    an emit names a service that does not exist
    |   +-- NotFoundError         there is no such thing
    |   +-- ConflictError         not in the state that the thing is in
    |   +-- ValidationFailedError   values are wrong; details has the errors of each field
    +-- ConfigurationError      what a worker was told by its environment is wrong; never sent
    +-- UnauthenticatedError    who are you?
    |   +-- TokenError            the token does not prove it, and why not
    +-- ForbiddenError          you may not
    +-- NotBuiltError           the protocol names it, this version does not do it
    +-- UnavailableError        Redis or the bridge cannot be reached, try again
    |   +-- DeadlineError         no answer in time, try again with the same id
    |   +-- NoOwnerError          nobody serves the resource right now
    |   +-- OwnerLostError        whoever had the call went away; it may have been carried out
    |   +-- OverloadedError       as many calls in flight as are taken, or a circuit breaker is open
    +-- CancelledByOperator     somebody has cancelled the operation
    +-- RateLimitError          as many messages as the service may send for now
    +-- ConnectionClosedError   the transport is closed, with its close code
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from ipc.protocol.codes import ErrorCode, closed_because, may_reconnect


class IPCError(Exception):
    """Root of all errors that cross the API or the wire.

    Args:
        message: what was wrong, with what value, and what to do.
        code: one of the table in ``codes``; a class has a default.
        details: JSON values for the program that reads the error, such as ``{"limit": 262144}``.
        retry_after_ms: how long to wait before trying again, where that is known.

    """

    default_code: ClassVar[ErrorCode] = ErrorCode.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        details: Mapping[str, Any] | None = None,
        retry_after_ms: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code or self.default_code
        self.message = message
        self.details = details
        self.retry_after_ms = retry_after_ms

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed when it is sent again unchanged."""
        return self.code.retryable

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class BadMessageError(IPCError):
    """What was sent is wrong and would be wrong again."""

    default_code = ErrorCode.INVALID_MESSAGE


class UnknownServiceError(BadMessageError):
    """The catalogue has no service of that name."""

    default_code = ErrorCode.UNKNOWN_SERVICE


class UnknownTargetError(BadMessageError):
    """An emit names a target that is no service."""

    default_code = ErrorCode.UNKNOWN_TARGET


class NotFoundError(BadMessageError):
    """There is no such thing."""

    default_code = ErrorCode.NOT_FOUND


class ConflictError(BadMessageError):
    """The thing is in a state in which that cannot be done."""

    default_code = ErrorCode.CONFLICT


class ValidationFailedError(BadMessageError):
    """Values are wrong; ``details`` has the errors of each field."""

    default_code = ErrorCode.VALIDATION_FAILED


class ConfigurationError(IPCError):
    """What a worker was told of its mesh is wrong, such as an address or a file; it is never sent."""

    default_code = ErrorCode.INVALID_CONFIGURATION


class UnauthenticatedError(IPCError):
    """The session has not proved which service it is."""

    default_code = ErrorCode.UNAUTHENTICATED


class TokenError(UnauthenticatedError):
    """A token proves nothing; the code says why."""

    default_code = ErrorCode.TOKEN_INVALID


class ForbiddenError(IPCError):
    """The session's permissions do not cover the request."""

    default_code = ErrorCode.FORBIDDEN


class NotBuiltError(IPCError):
    """The protocol names the feature, this version does not have it."""

    default_code = ErrorCode.NOT_IMPLEMENTED


class UnavailableError(IPCError):
    """The log or the bridge cannot be reached right now."""

    default_code = ErrorCode.UNAVAILABLE


class DeadlineError(UnavailableError):
    """No answer came in time; the request may have been carried out, so repeat it with the same id."""

    default_code = ErrorCode.TIMEOUT


class NoOwnerError(UnavailableError):
    """Nobody serves the resource right now; the call has not begun."""

    default_code = ErrorCode.NO_OWNER


class OwnerLostError(UnavailableError):
    """Whoever had the call went away; it may have been carried out, so repeat only what may happen twice."""

    default_code = ErrorCode.OWNER_LOST


class OverloadedError(UnavailableError):
    """As many calls are in flight as are taken, or a circuit breaker is open; the call has not begun."""

    default_code = ErrorCode.OVERLOADED


class RateLimitError(IPCError):
    """The service has sent as many messages as it may for now; ``retry_after_ms`` says when there will be more."""

    default_code = ErrorCode.RATE_LIMIT_EXCEEDED


class CancelledByOperator(IPCError):  # noqa: N818 - read as what has happened to the operation
    """Somebody has cancelled the long operation, by revoking its handle."""

    default_code = ErrorCode.CANCELLED


LOST: Final = 1006


class ConnectionClosedError(IPCError):
    """The transport is closed.

    Args:
        close_code: the WebSocket close code, 1006 when the connection was lost without one.
        reason: the text that came with it.

    """

    default_code = ErrorCode.UNAVAILABLE

    def __init__(self, close_code: int, reason: str = "") -> None:
        lost = f"the connection was closed with {close_code} {reason}".rstrip()
        super().__init__(reason if close_code == LOST and reason else lost)
        self.close_code = close_code
        self.reason = reason

    @property
    def may_reconnect(self) -> bool:
        """Whether the table of close codes says to connect again."""
        return may_reconnect(self.close_code)

    def for_good(self) -> "ConnectionClosedError":
        """Return it as what ended a worker, whose code says why, such as ``TOKEN_REVOKED``.

        What waits for an answer is told ``UNAVAILABLE`` all the same: it may be sent by another worker.
        """
        ended = ConnectionClosedError(self.close_code, self.reason)
        ended.code = closed_because(self.close_code)
        return ended


_BY_CODE: dict[ErrorCode, type[IPCError]] = {
    ErrorCode.UNKNOWN_SERVICE: UnknownServiceError,
    ErrorCode.UNKNOWN_TARGET: UnknownTargetError,
    ErrorCode.INVALID_CONFIGURATION: ConfigurationError,
    ErrorCode.UNAUTHENTICATED: UnauthenticatedError,
    ErrorCode.AUTH_TIMEOUT: UnauthenticatedError,
    ErrorCode.TOKEN_INVALID: TokenError,
    ErrorCode.TOKEN_EXPIRED: TokenError,
    ErrorCode.TOKEN_NOT_YET_VALID: TokenError,
    ErrorCode.TOKEN_REVOKED: TokenError,
    ErrorCode.TOKEN_WRONG_SERVICE: TokenError,
    ErrorCode.TOKEN_WRONG_TARGET: TokenError,
    ErrorCode.TOKEN_WRONG_ENVIRONMENT: TokenError,
    ErrorCode.FORBIDDEN: ForbiddenError,
    ErrorCode.NOT_IMPLEMENTED: NotBuiltError,
    ErrorCode.UNAVAILABLE: UnavailableError,
    ErrorCode.DRAINING: UnavailableError,
    ErrorCode.TOO_SLOW: UnavailableError,
    ErrorCode.TIMEOUT: DeadlineError,
    ErrorCode.RATE_LIMIT_EXCEEDED: RateLimitError,
    ErrorCode.NO_OWNER: NoOwnerError,
    ErrorCode.OWNER_LOST: OwnerLostError,
    ErrorCode.OVERLOADED: OverloadedError,
    ErrorCode.CIRCUIT_OPEN: OverloadedError,
    ErrorCode.NOT_FOUND: NotFoundError,
    ErrorCode.CONFLICT: ConflictError,
    ErrorCode.VALIDATION_FAILED: ValidationFailedError,
    ErrorCode.INTERNAL: IPCError,
}


def error_from_code(
    code: str, message: str, *, details: Mapping[str, Any] | None = None, retry_after_ms: int | None = None
) -> IPCError:
    """Make the exception for an error that arrived as a code; one this version does not know counts as INTERNAL."""
    try:
        known = ErrorCode(code)
    except ValueError:
        known, message = ErrorCode.INTERNAL, f"{code}: {message}"
    error = _BY_CODE.get(known, BadMessageError)
    return error(message, code=known, details=details, retry_after_ms=retry_after_ms)
