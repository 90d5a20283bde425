"""Long operations: what is known of one, and the events that tell of it.

The handle of an operation is a stateful broker token. What is known of it is the token's state, and to revoke the token
is to cancel the operation.
"""

import math
import re
from typing import Any, Final, Literal, Self

from msgspec import Struct, structs

from ipc.protocol.errors import BadMessageError

MAX_NAME: Final = 64
MAX_TEXT: Final = 500
MAX_ERROR: Final = 1_000
LOST_AFTER_MS: Final = 30_000
"""A running operation whose service has said nothing for so long is shown as lost."""
HEARTBEAT_S: Final = 10.0
"""How often a service says that it is still at it."""
_NAME: Final = re.compile(rf"[A-Za-z0-9][A-Za-z0-9 _.\-]{{0,{MAX_NAME - 1}}}")

PROGRESS: Final = "operation:progress"
DONE: Final = "operation:done"
FAILED: Final = "operation:failed"
CANCELLED: Final = "operation:cancelled"
OPERATION_EVENTS: Final = frozenset({PROGRESS, DONE, FAILED, CANCELLED})
"""Only hubs emit these, in the name of the service whose operation it is."""

Status = Literal["running", "done", "failed", "cancelled", "lost"]
_EVENTS: Final = {"running": PROGRESS, "done": DONE, "failed": FAILED, "cancelled": CANCELLED}


class OperationInfo(Struct, frozen=True, kw_only=True):
    """One operation; ``id`` is that of the token, and times are Unix milliseconds.

    ``error`` says why it has failed, or who has cancelled it.
    """

    id: str
    name: str
    service: str
    instance: str
    target: str | None
    total: float
    done: float
    percent: float
    text: str
    status: Status
    error: str | None
    begun_ms: int
    updated_ms: int

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.status == "running"

    @property
    def without_failure(self) -> Self:
        """Itself without what has been raised in it; who has cancelled it stays."""
        return structs.replace(self, error=None) if self.status == "failed" else self

    @property
    def event(self) -> str:
        """The name of the event that tells how it is."""
        return _EVENTS[self.status]


def check_name(name: str) -> str:
    """Return the name of an operation.

    Raises:
        BadMessageError: it is none.

    """
    if not _NAME.fullmatch(name):
        raise BadMessageError(
            f"{name[:80]!r} is no name of an operation: it has 1 to {MAX_NAME} letters, digits, ' ', '_', '.' and '-'"
        )
    return name


def check_total(total: float) -> float:
    """Return how much there is to do.

    Raises:
        BadMessageError: it is nothing, or without an end.

    """
    if not (math.isfinite(total) and total > 0):
        raise BadMessageError(f"the total of an operation is more than 0, not {total}")
    return float(total)


def percent_of(done: float, total: float) -> float:
    """Return how much of the total is done, in percent.

    Raises:
        BadMessageError: less than nothing is, or more than all.

    """
    if not (math.isfinite(done) and 0 <= done <= total):
        raise BadMessageError(f"of a total of {total:g} between 0 and that is done, not {done}")
    return round(100 * (done / total), 1)


def check_text(text: str) -> str:
    """Return what an operation says of itself.

    Raises:
        BadMessageError: it is too long.

    """
    if len(text) > MAX_TEXT:
        raise BadMessageError(f"the text of an operation has at most {MAX_TEXT} characters, this has {len(text)}")
    return text


def event_data(info: OperationInfo) -> dict[str, Any]:
    """Return the data of the event that tells how an operation is."""
    return {
        "operation": info.id,
        "name": info.name,
        "status": info.status,
        "percent": info.percent,
        "done": info.done,
        "total": info.total,
        "text": info.text,
        "error": info.error,
        "begunAt": info.begun_ms,
        "updatedAt": info.updated_ms,
    }
