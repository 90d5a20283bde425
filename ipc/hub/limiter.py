"""The rate limits of a hub: how many messages its sessions may send, service by service, over all hubs together.

Every message of a service far below its limit would cost a question to Redis. So a hub is lent a share of what is left
for a tenth of a second, and lets that through by itself; close to the limit it is lent nothing and asks each time.
Measured with ``python -m bench.limits``, events one by one: less than 2 us of CPU for each, where asking each
time took 350.
"""

import asyncio
from collections.abc import Mapping

from ipc.hub.clock import Clock
from ipc.hub.counters import Counters
from ipc.hub.meter import LEASE_S, Meter
from ipc.hub.session import Identity, Session
from ipc.protocol.limits import Limits
from ipc.protocol.messages import Notice
from ipc.stores.rate_limit import Budget, RateLimitStore


class Limiter:
    """The budgets of all services at one hub.

    Args:
        store: keeps the budgets.
        hub: the id of the hub.
        sessions: of the hub, by id; they are warned when most of their budget is used up.
        limits: how many messages in which window.
        counters: of the hub.
        clock: the time.

    """

    def __init__(
        self,
        store: RateLimitStore,
        hub: str,
        sessions: Mapping[str, Session],
        *,
        limits: Limits,
        counters: Counters,
        clock: Clock,
    ) -> None:
        self._store = store
        self._hub = hub
        self._sessions = sessions
        self._limits = limits
        self._counters = counters
        self._clock = clock
        self._meters: dict[Budget, Meter] = {}
        self._lent = asyncio.Event()

    def meter(self, identity: Identity) -> Meter:
        """Return what measures the messages of a session; all of its service and kind share it."""
        is_exempt = identity.claims is not None and identity.claims.rate_limit_exempt
        return self._meter(Budget.of(identity.service, self._limits, is_exempt=is_exempt))

    def token_meter(self, service: str) -> Meter:
        """Return what measures the tokens that a service gets for its certificate: as many as it may send messages,
        and beside those, since one that has sent all it may needs a token all the same.
        """
        return self._meter(Budget.of_tokens(service, self._limits))

    def _meter(self, budget: Budget) -> Meter:
        if (meter := self._meters.get(budget)) is None:
            meter = self._meters[budget] = Meter(
                budget,
                self._store,
                self._hub,
                counters=self._counters,
                on_warning=self._warn,
                on_lease=self._lent.set,
                clock=self._clock,
            )
        return meter

    async def watch(self) -> None:
        """Tell Redis what was let through as soon as a lease is over, until cancelled."""
        never = asyncio.Event()
        while True:
            await self._lent.wait()
            self._lent.clear()
            await self._clock.wait(never, self._clock.monotonic() + LEASE_S)
            await self.tell()

    async def tell(self) -> None:
        """Tell Redis what was let through by the leases that are over."""
        for meter in list(self._meters.values()):
            await meter.tell()
        if any(meter.is_lent for meter in self._meters.values()):
            self._lent.set()

    async def close(self) -> None:
        """Give all leases back, when the hub stops."""
        for meter in self._meters.values():
            await meter.give_back()

    def _warn(self, meter: Meter) -> None:
        standing = meter.standing
        notice = Notice(notice="rate_warning", remaining=standing.remaining, resets_in_ms=standing.reset_ms)
        for session in self._sessions.values():
            if session.meter is meter:
                session.answer(notice)
