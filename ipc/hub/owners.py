"""The owners of resources as a hub knows them: read from Redis once, and again when somebody says they have changed."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from ipc.hub.breaker import Breaker
from ipc.hub.stores import ResourceStore
from ipc.hub.tasks import OwnedTasks
from ipc.protocol.errors import IPCError
from ipc.stores.resources import Claim, Ownership

logger = logging.getLogger(__name__)

FRESH_S: Final = 2.0
MAX_KNOWN: Final = 1_000


@dataclass(slots=True, eq=False)
class Owner:
    """One instance that serves a resource; ``in_flight`` counts the calls that this hub has given to it."""

    claim: Claim
    breaker: Breaker
    in_flight: int = 0


@dataclass(slots=True)
class Owners:
    """All instances of a resource, and the service that has it."""

    service: str
    read_at: float
    instances: dict[str, Owner] = field(default_factory=dict)


class Directory:
    """What one hub knows of owners.

    What it knows may be two seconds old when the word of a change was lost; an instance that has gone meanwhile is
    found out by its hub, before the call has begun.

    Args:
        store: where claims are.
        make_breaker: makes the breaker of an owner that is new.

    """

    def __init__(self, store: ResourceStore, make_breaker: Callable[[], Breaker]) -> None:
        self._store = store
        self._make_breaker = make_breaker
        self._known: OrderedDict[str, Owners] = OrderedDict()
        self._stale: set[str] = set()
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._tasks = OwnedTasks("directory of resources")

    def all(self) -> list[tuple[str, Owners]]:
        """Return all that is known, by resource."""
        return list(self._known.items())

    def known(self, resource: str) -> Owners | None:
        """Return the owners of a resource as they were lately, None if they have to be looked up first."""
        owners = self._known.get(resource)
        if owners is None or not owners.instances or resource in self._stale:
            return None
        if time.monotonic() - owners.read_at > FRESH_S:
            self._start_reading(resource)
        return owners

    async def look_up(self, resource: str) -> Owners:
        """Return the owners of a resource as they are.

        Raises:
            UnavailableError: Redis is out of reach, and nothing was known before.

        """
        self._stale.discard(resource)
        try:
            ownership = await self._store.owners(resource)
        except IPCError as error:
            before = self._known.get(resource)
            if before is None or not before.instances:
                raise
            logger.warning("the owners of %s are those known before: %s", resource, error)
            return before
        return self._learn(resource, ownership)

    def changed(self, resources: Iterable[str]) -> None:
        """Take note that the owners of some resources have changed."""
        self._stale.update(resource for resource in resources if resource in self._known)

    def lost_hub(self, hub_id: str) -> None:
        """Forget the instances of a hub that does not answer."""
        for owners in self._known.values():
            for instance in [name for name, owner in owners.instances.items() if owner.claim.hub == hub_id]:
                del owners.instances[instance]

    async def close(self) -> None:
        """Stop reading."""
        await self._tasks.close()

    def _start_reading(self, resource: str) -> None:
        if resource not in self._reading:
            self._reading[resource] = self._tasks.start(self._read(resource), resource)

    async def _read(self, resource: str) -> None:
        try:
            await self.look_up(resource)
        except IPCError as error:
            logger.warning("the owners of %s cannot be read: %s", resource, error)
        finally:
            del self._reading[resource]

    def _learn(self, resource: str, ownership: Ownership) -> Owners:
        before = self._known.get(resource)
        owners = Owners(ownership.service, time.monotonic())
        for claim in ownership.claims:
            owner = before.instances.get(claim.instance) if before is not None else None
            if owner is None or owner.claim.session != claim.session:
                owner = Owner(claim, self._make_breaker())
            owner.claim = claim
            owners.instances[claim.instance] = owner
        self._known[resource] = owners
        self._known.move_to_end(resource)
        if len(self._known) > MAX_KNOWN:
            gone, _ = self._known.popitem(last=False)
            self._stale.discard(gone)
        return owners
