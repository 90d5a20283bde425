"""A circuit breaker: it keeps calls from an owner that fails again and again, and lets one through to try it.

After M. Nygard, "Release It!", chapter on stability patterns.
"""

from enum import StrEnum
from typing import Final

FAILURES: Final = 5
PAUSE_S: Final = 5.0


class BreakerState(StrEnum):
    """Closed lets calls through, open does not, half-open has let one through to try."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """One breaker; times are seconds of a monotonic clock.

    Args:
        failures: so many in a row open it.
        pause_s: how long it stays open before it lets a call through.

    """

    __slots__ = ("_failed", "_failures", "_is_probing", "_opened_at", "_pause_s")

    def __init__(self, failures: int = FAILURES, pause_s: float = PAUSE_S) -> None:
        self._failures = failures
        self._pause_s = pause_s
        self._failed = 0
        self._opened_at = 0.0
        self._is_probing = False

    @property
    def state(self) -> BreakerState:
        """What it does with calls."""
        if self._failed < self._failures:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if self._is_probing else BreakerState.OPEN

    def opens_in_s(self, now: float) -> float:
        """Return after how many seconds a call may be let through; 0 if one may be now."""
        if self._failed < self._failures:
            return 0.0
        if self._is_probing:
            return self._pause_s
        return max(0.0, self._opened_at + self._pause_s - now)

    def let_through(self) -> None:
        """Take note of a call that was let through; an open breaker lets no other through before its answer."""
        self._is_probing = self._failed >= self._failures

    def succeeded(self) -> None:
        """Take note of an answer."""
        self._failed = 0
        self._is_probing = False

    def failed(self, now: float) -> None:
        """Take note of a failure that is the owner's."""
        self._failed += 1
        self._is_probing = False
        if self._failed >= self._failures:
            self._opened_at = now

    def abandoned(self) -> None:
        """Take note of a call that ended without telling anything about the owner."""
        self._is_probing = False
