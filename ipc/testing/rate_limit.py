"""The twin of `ipc.stores.rate_limit.RateLimits`, in memory."""

from collections import defaultdict
from collections.abc import Callable, Sequence

from ipc.stores.rate_limit import LEASE_MS, Allowance, Budget, Use


class MemoryRateLimits:
    """The budgets of one test.

    Args:
        now_ms: the date in Unix milliseconds.

    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._uses: defaultdict[str, list[tuple[int, int]]] = defaultdict(list)
        self._leases: defaultdict[str, dict[str, tuple[int, int]]] = defaultdict(dict)

    async def take(
        self, budget: Budget, hub: str, wanted: int, uses: Sequence[Use] = (), *, is_whole: bool = False
    ) -> Allowance:
        """Take from a budget, or tell what was let through."""
        now = self._now_ms()
        leases = self._leases[budget.name]
        leases.pop(hub, None)
        leases = {name: lease for name, lease in leases.items() if lease[1] > now}
        told = [(now - max(0, ago_ms), count) for ago_ms, count in uses if ago_ms < budget.window_ms]
        counted = sorted(use for use in (*self._uses[budget.name], *told) if use[0] > now - budget.window_ms)
        total, kept = sum(count for _, count in counted), sum(count for count, _ in leases.values())
        free = max(0, budget.maximum - total - kept)
        granted = min(wanted, free) if free >= wanted or not is_whole else 0
        leased = 0
        if granted:
            counted.append((now, granted))
            total += granted
            leased = (free - granted) // 4
            if total + kept < budget.mark:
                leased = min(leased, budget.mark - 1 - total - kept)
            if leased:
                leases[hub] = (leased, now + LEASE_MS)
        self._uses[budget.name], self._leases[budget.name] = counted, leases
        missing = max(1, wanted - granted - free) if is_whole else 1
        return Allowance(granted, leased, total, kept, _reset_ms(counted, missing, budget.window_ms - now))


def _reset_ms(counted: Sequence[tuple[int, int]], missing: int, offset_ms: int) -> int:
    reset_ms = 0
    for at, count in counted:
        reset_ms = max(1, at + offset_ms)
        missing -= count
        if missing <= 0:
            break
    return reset_ms
