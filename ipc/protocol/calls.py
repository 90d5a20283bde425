"""The rules of calls: names of resources and operations, deadlines, and which call may be repeated."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from msgspec import UNSET

from ipc.protocol.codec import sendable
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.protocol.messages import CallError

DEFAULT_TIMEOUT_MS: Final = 10_000
MAX_TIMEOUT_MS: Final = 60_000
MAX_RESOURCES: Final = 64
MAX_NAME_LENGTH: Final = 64
MAX_ERROR_LENGTH: Final = 1_000
CRUD: Final = ("create", "read", "update", "delete")
_RESOURCE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_\-]*")
_OP: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@lru_cache(maxsize=4096)
def check_resource(name: str) -> str:
    """Return the name if it is a valid name of a resource.

    Raises:
        BadMessageError: INVALID_RESOURCE, with the rule.

    """
    return _checked(name, _RESOURCE, "a resource: write a letter, then letters, digits, '_' and '-'")


@lru_cache(maxsize=4096)
def check_op(name: str) -> str:
    """Return the name if it is a valid name of an operation.

    Raises:
        BadMessageError: INVALID_RESOURCE, with the rule.

    """
    return _checked(name, _OP, "an operation: write a letter, then letters, digits and '_'")


def _checked(name: str, form: re.Pattern[str], rule: str) -> str:
    if len(name) > MAX_NAME_LENGTH or not form.fullmatch(name):
        raise BadMessageError(
            f"{name[:64]!r} is not {rule}, at most {MAX_NAME_LENGTH} characters", code=ErrorCode.INVALID_RESOURCE
        )
    return name


def check_timeout(timeout_ms: int | None) -> int:
    """Return how many milliseconds a call may take, 10 seconds if it does not say.

    Raises:
        BadMessageError: less than 1 or more than 60 seconds.

    """
    if timeout_ms is None:
        return DEFAULT_TIMEOUT_MS
    if not 1 <= timeout_ms <= MAX_TIMEOUT_MS:
        raise BadMessageError(f"timeout_ms is 1 to {MAX_TIMEOUT_MS}, not {timeout_ms}")
    return timeout_ms


def check_unique(names: Iterable[str]) -> None:
    """Refuse a list of resources that names one twice.

    Raises:
        BadMessageError: INVALID_RESOURCE, with the name.

    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise BadMessageError(f"the resource {name} is named twice", code=ErrorCode.INVALID_RESOURCE)
        seen.add(name)


def call_error(error: IPCError) -> CallError:
    """Return an exception as a reply tells of it; a client refuses a longer message, and would wait in vain."""
    return CallError(
        code=error.code,
        message=sendable(error.message[:MAX_ERROR_LENGTH]),
        retryable=error.retryable,
        retry_after_ms=UNSET if error.retry_after_ms is None else error.retry_after_ms,
        details=dict(error.details) if error.details else UNSET,
    )


def may_repeat(op: str, *, is_keyed: bool) -> bool:
    """Tell whether a call whose owner was lost may be given to another: a read, or one with an idempotency key."""
    return op == "read" or is_keyed


def counts_as_failure(code: str) -> bool:
    """Tell whether an error says that the owner is in trouble, rather than that the call was wrong."""
    return code in _FAILURES


def speaks_of_routing(code: str) -> bool:
    """Tell whether an error says what has become of a call on its way, which only a hub can know.

    An owner that answers with one speaks of a call of its own. Were it passed on as it is, the caller would take its
    call for one that has not begun, and make it again.
    """
    return code in _ROUTING


_ROUTING: Final = frozenset(
    {
        ErrorCode.NO_OWNER,
        ErrorCode.OWNER_LOST,
        ErrorCode.CIRCUIT_OPEN,
        ErrorCode.DRAINING,
        ErrorCode.CANCELLED,
        ErrorCode.UNKNOWN_CALL,
    }
)
_FAILURES: Final = frozenset(
    {ErrorCode.INTERNAL, ErrorCode.TIMEOUT, ErrorCode.UNAVAILABLE, ErrorCode.OWNER_LOST, ErrorCode.OVERLOADED}
)
