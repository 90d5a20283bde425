"""How many messages a service may send: a budget for any window of time, kept in Redis for all hubs together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final, NamedTuple, Protocol

from redis.asyncio import Redis

from ipc.stores import keys
from ipc.stores.connection import Script, run_script, translated_errors

LEASE_MS: Final = 2_000
"""How long a lease is kept back for a hub that says nothing any more."""
WARN_AT: Final = 0.8
FINE_UP_TO: Final = 10_000
"""Larger budgets are counted in steps of a thousandth of their window, smaller ones by the millisecond."""
MAX_USES: Final = 20_000
"""How many uses of a budget are looked at for its peak, the latest ones."""
_TAKE: Final = Script(resources.files("ipc.stores").joinpath("scripts/take.lua").read_text())


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """At most ``maximum`` messages in any ``window_ms`` milliseconds, for a name such as that of a service."""

    name: str
    maximum: int
    window_ms: int

    @property
    def grain_ms(self) -> int:
        """The milliseconds that messages are counted by."""
        return 1 if self.maximum <= FINE_UP_TO else max(1, self.window_ms // 1_000)

    @property
    def mark(self) -> int:
        """From how many messages on the service is warned."""
        return max(1, int(self.maximum * WARN_AT))


Use = tuple[int, int]
"""How many milliseconds ago a hub has let messages through by its lease, and how many."""


class Allowance(NamedTuple):
    """What a hub may let through.

    Args:
        granted: of the messages that it has asked for.
        leased: further ones, by itself, until its lease is over.
        total: what was let through in the window, by all.
        kept: what the leases of others may still let through; while there are any, a refusal is not the last word.
        reset_ms: in how many milliseconds there will be more: one, or what is missing of a whole; 0 if none is used.

    """

    granted: int
    leased: int
    total: int
    kept: int
    reset_ms: int


class RateLimitStore(Protocol):
    """Where budgets are kept. What the method does is written at `RateLimits`."""

    async def take(
        self, budget: Budget, hub: str, wanted: int, uses: Sequence[Use] = (), *, is_whole: bool = False
    ) -> Allowance:
        """Take from a budget."""


class RateLimits:
    """The budgets in one Redis; what nobody uses ends by itself."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def take(
        self, budget: Budget, hub: str, wanted: int, uses: Sequence[Use] = (), *, is_whole: bool = False
    ) -> Allowance:
        """Take from a budget, or, wanting nothing, tell what was let through and give a lease back.

        The window slides (no bucket that fills by steps): a message counts for exactly ``window_ms`` after it was let
        through, to a `Budget.grain_ms`, so steady traffic below the limit is never refused.

        Args:
            budget: which one.
            hub: who asks.
            wanted: how many messages.
            uses: what the hub has let through by its lease since it last told.
            is_whole: whether fewer than wanted are of no use.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        asked = (budget.maximum, budget.window_ms, LEASE_MS, budget.mark, hub, wanted, int(is_whole))
        told = (number for use in uses for number in use)
        arguments: list[str | int] = [*asked, *told]
        async with translated_errors("look how many messages may be sent"):
            found = await run_script(self._redis, _TAKE, [keys.rate(budget.name), keys.leases(budget.name)], arguments)
        return Allowance(*map(int, found))

    async def peak(self, budget: Budget) -> int:
        """Return how many messages were let through in the busiest second of the window, as far as hubs have told.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("look when messages were sent"):
            rows: Any = await self._redis.zrevrange(keys.rate(budget.name), 0, MAX_USES - 1, withscores=True)
        seconds = Counter[int]()
        for member, at_ms in rows:
            seconds[int(at_ms) // 1000] += int(member.rpartition(b" ")[2])
        return max(seconds.values(), default=0)
