"""Durable groups: their names, and when an event that was not handled comes again."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError

MAX_CREDIT: Final = 1_000
DEFAULT_CREDIT: Final = 64
MAX_ACK_MS: Final = 3_600_000
MAX_BACKOFF_MS: Final = 24 * 3_600_000
MAX_RETRIES: Final = 32
_GROUP: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How long a member may take, and the pauses after each failed attempt; all in milliseconds."""

    ack_ms: int = 30_000
    backoff_ms: tuple[int, ...] = (1_000, 5_000, 30_000, 120_000, 600_000)

    @property
    def max_attempts(self) -> int:
        """How often an event is delivered before it is given up."""
        return len(self.backoff_ms) + 1

    def delay_ms(self, attempts: int, jitter: float) -> int:
        """Return the pause after so many attempts, give or take a fifth; ``jitter`` is from 0 to 1."""
        pause = self.backoff_ms[min(attempts, len(self.backoff_ms)) - 1] if self.backoff_ms else 0
        return int(pause * (0.8 + 0.4 * jitter))


def check_group(name: str) -> str:
    """Return the name of a group if it is valid.

    Raises:
        BadMessageError: INVALID_GROUP, with the rule.

    """
    if not _GROUP.fullmatch(name):
        raise BadMessageError(
            f"{name[:64]!r} is not the name of a group: 1 to 64 letters, digits, '_', '.' and '-'",
            code=ErrorCode.INVALID_GROUP,
        )
    return name


def check_credit(credit: int | None) -> int:
    """Return how many deliveries a member may hold unacknowledged, 64 unless it says.

    Raises:
        BadMessageError: INVALID_MESSAGE, it is out of bounds.

    """
    if credit is None:
        return DEFAULT_CREDIT
    if not 1 <= credit <= MAX_CREDIT:
        raise BadMessageError(f"credit is 1 to {MAX_CREDIT}, not {credit}")
    return credit


def retry_policy(retry: Mapping[str, Any] | None) -> RetryPolicy:
    """Return the policy that a ``retry`` member describes, ``{ack_ms?, backoff_ms?: []}``.

    Raises:
        BadMessageError: INVALID_MESSAGE, with the rule that is broken.

    """
    default = RetryPolicy()
    if retry is None:
        return default
    unknown = retry.keys() - {"ack_ms", "backoff_ms"}
    if unknown:
        raise BadMessageError(f"retry has ack_ms and backoff_ms, not {', '.join(sorted(unknown))}")
    ack_ms = retry.get("ack_ms", default.ack_ms)
    backoff_ms = retry.get("backoff_ms", default.backoff_ms)
    if not _is_ms(ack_ms, 1, MAX_ACK_MS):
        raise BadMessageError(f"retry.ack_ms is 1 to {MAX_ACK_MS}, not {ack_ms!r}")
    if not isinstance(backoff_ms, list | tuple) or len(backoff_ms) > MAX_RETRIES:
        raise BadMessageError(f"retry.backoff_ms is a list of at most {MAX_RETRIES} pauses")
    if not all(_is_ms(pause, 0, MAX_BACKOFF_MS) for pause in backoff_ms):
        raise BadMessageError(f"retry.backoff_ms has milliseconds from 0 to {MAX_BACKOFF_MS}")
    return RetryPolicy(ack_ms=ack_ms, backoff_ms=tuple(backoff_ms))


def _is_ms(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
