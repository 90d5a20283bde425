"""What measures the messages of one service at one hub against its budget."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ipc.hub.clock import Clock
from ipc.hub.counters import Counters
from ipc.protocol.errors import IPCError, RateLimitError
from ipc.stores.rate_limit import LEASE_MS, Allowance, Budget, RateLimitStore

logger = logging.getLogger(__name__)

LEASE_S: Final = 0.1
"""How long a hub lets messages through by itself, much less than Redis keeps its lease back."""
ASK_AGAIN_S: Final = 0.02
AWAY_S: Final = 1.0
LOG_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How a service stands with its budget, as far as a hub knows: of how many messages how many are left, and in how
    many milliseconds there will be more again."""

    maximum: int
    remaining: int
    reset_ms: int


class Meter:
    """The messages of one service at one hub.

    While Redis cannot be reached, each hub holds the service to the budget by itself: nothing it lets through can be
    appended or reach another hub anyway, and to refuse for a limit that nobody has passed would be untrue.

    Args:
        budget: the limit.
        store: keeps it for all hubs.
        hub: the id of the hub.
        counters: of the hub.
        on_warning: called when most of the budget is used up, at most once a window.
        on_lease: called when the hub is lent something.
        clock: the time.

    """

    def __init__(
        self,
        budget: Budget,
        store: RateLimitStore,
        hub: str,
        *,
        counters: Counters,
        on_warning: Callable[["Meter"], None],
        on_lease: Callable[[], None],
        clock: Clock,
    ) -> None:
        self.budget = budget
        self._store = store
        self._hub = hub
        self._counters = counters
        self._on_warning = on_warning
        self._on_lease = on_lease
        self._clock = clock
        self._lock = asyncio.Lock()
        self._left = 0
        self._lease_until = 0.0
        # What was let through and not told yet, in steps of a grain: since when, and how many.
        self._uses: list[tuple[int, int]] = []
        self._full_until = 0.0
        self._away_until = 0.0
        self._warn_at = 0.0
        self._log_at = 0.0
        self._remaining = budget.maximum
        self._reset_at = 0.0

    @property
    def standing(self) -> Standing:
        """How the service stands."""
        reset_ms = max(0, round((self._reset_at - self._clock.monotonic()) * 1000))
        return Standing(self.budget.maximum, self._remaining, reset_ms)

    @property
    def is_lent(self) -> bool:
        """Whether Redis keeps something back for this hub, or is to be told of something."""
        return self._left > 0 or bool(self._uses)

    def pass_now(self, count: int) -> bool:
        """Let messages through if that can be said at once, and tell whether it could."""
        if count > self._left:
            return False
        now = self._clock.monotonic()
        if now >= self._lease_until:
            return False
        self._left -= count
        self._remaining -= count
        self._note(now, count)
        return True

    async def take(self, wanted: int, *, is_whole: bool = False) -> int:
        """Return how many of some messages may be let through, of those that come first.

        Args:
            wanted: how many there are.
            is_whole: whether fewer are of no use.

        """
        if self.pass_now(wanted):
            return wanted
        async with self._lock:
            if self.pass_now(wanted):
                return wanted
            granted = await self._asked(wanted, is_whole=is_whole)
        if granted < wanted:
            self._counters.messages_limited += wanted - granted
            self._log_refusal()
        return granted

    def refusal(self) -> RateLimitError:
        """Return the error for a message that is not let through."""
        budget, standing = self.budget, self.standing
        return RateLimitError(
            f"{budget.name} may send {budget.maximum} messages in any {budget.window_ms / 1000:g} s, and has sent as "
            "many",
            retry_after_ms=max(1, standing.reset_ms),
            details={"limit": budget.maximum, "window_ms": budget.window_ms, "remaining": standing.remaining},
        )

    async def tell(self) -> None:
        """Tell Redis what was let through by a lease that is over; what cannot be told now is told later."""
        now = self._clock.monotonic()
        if now >= max(self._lease_until, self._away_until) and not self._lock.locked():
            await self.give_back()

    async def give_back(self) -> None:
        """Tell Redis what was let through, and give the lease back."""
        async with self._lock:
            if self.is_lent:
                await self._ask(0)

    async def _asked(self, wanted: int, *, is_whole: bool) -> int:
        """Ask Redis until nothing is kept back for others that could still be granted: two seconds at most."""
        granted = 0
        give_up_at = self._clock.monotonic() + 2 * LEASE_MS / 1000
        while True:
            now = self._clock.monotonic()
            if now < self._full_until:
                return granted
            if now < self._away_until:
                return granted + self._granted_alone(wanted - granted, now, is_whole=is_whole)
            found = await self._ask(wanted - granted, is_whole=is_whole)
            if found is None:
                return granted + self._granted_alone(wanted - granted, now, is_whole=is_whole)
            granted += found.granted
            if granted == wanted:
                return granted
            if found.kept == 0 or now > give_up_at:
                if found.total >= self.budget.maximum:
                    self._full_until = now + found.reset_ms / 1000
                return granted
            await self._clock.wait(asyncio.Event(), now + ASK_AGAIN_S)

    async def _ask(self, wanted: int, *, is_whole: bool = False) -> Allowance | None:
        """Ask Redis; None says that it is out of reach."""
        asked_at, self._left = self._clock.monotonic(), 0
        told = [(self._ago_ms(at, asked_at), count) for at, count in self._uses]
        try:
            found = await self._store.take(self.budget, self._hub, wanted, told, is_whole=is_whole)
        except IPCError as error:
            # What may have been told is told again, and then counts twice: better than not at all.
            self._away_until = asked_at + AWAY_S
            self._counters.limits_unknown += 1
            logger.warning("each hub limits %s by itself for now: %s", self.budget.name, error)
            return None
        self._uses.clear()
        self._left = found.leased
        self._lease_until = asked_at + LEASE_S
        self._remaining = self.budget.remaining(found)
        self._reset_at = asked_at + found.reset_ms / 1000
        if found.leased:
            self._on_lease()
        if found.total >= self.budget.mark and asked_at >= self._warn_at:
            self._warn_at = asked_at + self.budget.window_ms / 1000
            self._on_warning(self)
        return found

    def _granted_alone(self, wanted: int, now: float, *, is_whole: bool) -> int:
        grain_ms = self.budget.grain_ms
        oldest = (int(now * 1000) - self.budget.window_ms) // grain_ms
        self._uses = [use for use in self._uses if use[0] > oldest]
        total = sum(count for _, count in self._uses)
        free = max(0, self.budget.maximum - total)
        granted = min(wanted, free) if free >= wanted or not is_whole else 0
        if granted:
            self._note(now, granted)
        self._remaining, self._reset_at = free - granted, now + AWAY_S
        return granted

    def _ago_ms(self, at: int, now: float) -> int:
        """Return how long ago the end of a grain was, so that nothing counts for less than the window."""
        grain_ms = self.budget.grain_ms
        return max(0, int(now * 1000) - at * grain_ms - (grain_ms - 1))

    def _note(self, now: float, count: int) -> None:
        at = int(now * 1000) // self.budget.grain_ms
        if self._uses and self._uses[-1][0] == at:
            self._uses[-1] = (at, self._uses[-1][1] + count)
        else:
            self._uses.append((at, count))

    def _log_refusal(self) -> None:
        now = self._clock.monotonic()
        if now >= self._log_at:
            self._log_at = now + LOG_EVERY_S
            logger.warning("%s", self.refusal().message)
