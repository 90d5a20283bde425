"""How many messages a service may send: a budget for any window of time, kept in Redis for all hubs together."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final, NamedTuple, Protocol, Self

from redis.asyncio import Redis

from ipc.protocol.limits import Limits
from ipc.stores import keys
from ipc.stores.connection import Script, run_script, run_scripts, translated_errors

LEASE_MS: Final = 2_000
"""How long a lease is kept back for a hub that says nothing any more."""
WARN_AT: Final = 0.8
FINE_UP_TO: Final = 10_000
"""Larger budgets are counted in steps of a thousandth of their window, smaller ones by the millisecond."""
MAX_USES: Final = 20_000
"""How many uses of a budget are looked at for its peak, the latest ones."""
_READER: Final = "reader"
"""Who only looks: no hub, so it has no lease."""
_TAKE: Final = Script(resources.files("ipc.stores").joinpath("scripts/take.lua").read_text())


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """At most ``maximum`` messages in any ``window_ms`` milliseconds, for a name such as that of a service."""

    name: str
    maximum: int
    window_ms: int

    @classmethod
    def of(cls, service: str, limits: Limits, *, is_exempt: bool) -> Self:
        """Return the budget of a service, or the larger one of its sessions that are exempt."""
        return cls(
            name=f"{service}/exempt" if is_exempt else service,
            maximum=limits.rate_exempt_max if is_exempt else limits.rate_max,
            window_ms=limits.rate_window_ms,
        )

    @classmethod
    def of_tokens(cls, service: str, limits: Limits) -> Self:
        """Return the budget of the tokens that a service gets for its certificate."""
        return cls(name=f"{service}/tokens", maximum=limits.rate_max, window_ms=limits.rate_window_ms)

    def remaining(self, found: "Allowance") -> int:
        """Return what is left of it, without what is lent to hubs."""
        return max(0, self.maximum - found.total - found.kept)

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
        asked = _asked(budget, hub, wanted, is_whole=is_whole)
        told = (number for use in uses for number in use)
        async with translated_errors("look how many messages may be sent"):
            found = await run_script(self._redis, _TAKE, _keys(budget), [*asked, *told])
        return Allowance(*map(int, found))

    async def look(self, budgets: Sequence[Budget]) -> list[Allowance]:
        """Return how budgets stand, in one round trip; nothing is taken of them.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        calls = [(_keys(budget), _asked(budget, _READER, 0, is_whole=False)) for budget in budgets]
        async with translated_errors("look how many messages may be sent"):
            replies = await run_scripts(self._redis, _TAKE, calls)
        return [Allowance(*map(int, reply)) for reply in replies]

    async def peaks(self, budgets: Sequence[Budget]) -> list[int]:
        """Return for each budget how many messages were let through in the busiest second, as far as hubs have told.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("look when messages were sent"), self._redis.pipeline(transaction=False) as pipe:
            for budget in budgets:
                pipe.zrevrange(keys.rate(budget.name), 0, MAX_USES - 1, withscores=True)
            return [_peak(uses) for uses in await pipe.execute()]


def _keys(budget: Budget) -> list[str]:
    return [keys.rate(budget.name), keys.leases(budget.name)]


def _asked(budget: Budget, hub: str, wanted: int, *, is_whole: bool) -> list[str | int]:
    return [budget.maximum, budget.window_ms, LEASE_MS, budget.mark, hub, wanted, int(is_whole)]


def _peak(uses: Sequence[tuple[bytes, float]]) -> int:
    seconds = Counter[int]()
    for member, at_ms in uses:
        seconds[int(at_ms) // 1000] += int(member.rpartition(b" ")[2])
    return max(seconds.values(), default=0)
