"""The share of one hub: what it has seen of operations, and how it stands with the instances that serve them."""

import time
from typing import Final

from ipc.hub.calling import Calling
from ipc.hub.stores import ShareStore
from ipc.protocol.discovery import OwnerState
from ipc.protocol.limits import Limits
from ipc.stores.shares import EndpointShare, Share

SHARE_S: Final = 5.0
MAX_OWNERS: Final = 1_000


class HubShare:
    """Writes the share of one hub.

    Args:
        hub_id: of this hub.
        store: where shares are.
        calling: knows about calls.
        limits: the settings of breakers.

    """

    def __init__(self, hub_id: str, store: ShareStore, calling: Calling, limits: Limits) -> None:
        self._hub_id = hub_id
        self._store = store
        self._calling = calling
        self._limits = limits
        self._was_written = False

    async def write(self) -> bool:
        """Write it, and tell whether Redis has lost the one before, and so perhaps all it knew of this hub.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        was_there = await self._store.put(Share(hub=self._hub_id, endpoints=self._endpoints(), owners=self._owners()))
        was_lost = self._was_written and not was_there
        self._was_written = True
        return was_lost

    async def remove(self) -> None:
        """Delete it, because this hub stops.

        Raises:
            UnavailableError: Redis is out of reach; it runs out by itself.

        """
        await self._store.remove(self._hub_id)

    def _endpoints(self) -> list[EndpointShare]:
        return [
            EndpointShare(
                service=endpoint.service,
                resource=resource,
                op=op,
                requests=endpoint.requests,
                errors=endpoint.errors,
                total_ms=round(endpoint.total_ms, 3),
                last_error=endpoint.last_error,
                last_error_ms=endpoint.last_error_ms,
                buckets=endpoint.buckets,
            )
            for (resource, op), endpoint in self._calling.calls.endpoints.by_name.items()
        ]

    def _owners(self) -> list[OwnerState]:
        now = time.monotonic()
        found = [
            OwnerState(
                resource=resource,
                instance=owner.claim.instance,
                hub=self._hub_id,
                breaker=owner.breaker.state,
                opens_in_ms=int(owner.breaker.opens_in_s(now) * 1000),
                in_flight=owner.in_flight,
                limit=owner.claim.limit,
                breaker_failures=self._limits.breaker_failures,
                breaker_pause_ms=self._limits.breaker_pause_ms,
            )
            for resource, owners in self._calling.directory.all()
            for owner in owners.instances.values()
        ]
        return found[-MAX_OWNERS:]
