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
from ipc.protocol.calls import counts_as_failure
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError
from ipc.stores.resources import Claim, Ownership

logger = logging.getLogger(__name__)

FRESH_S: Final = 2.0
MAX_KNOWN: Final = 1_000
MAX_LOST_HUBS: Final = 256


@dataclass(slots=True, eq=False)
class Owner:
    """One instance that serves a resource; ``in_flight`` counts the calls that this hub has given to it."""

    claim: Claim
    breaker: Breaker
    in_flight: int = 0

    def given(self) -> None:
        """Take note of a call that it is given."""
        self.in_flight += 1
        self.breaker.let_through()

    def refused(self) -> None:
        """Take note that it has not taken a call."""
        self.in_flight -= 1
        self.breaker.abandoned()

    def ended(self, error_code: str | None, had_s: float) -> None:
        """Take note of how a call went, which it had for so many seconds."""
        self.in_flight -= 1
        if error_code == ErrorCode.CANCELLED:
            self.breaker.abandoned()
        elif error_code is None or not counts_as_failure(error_code):
            self.breaker.succeeded()
        elif error_code == ErrorCode.TIMEOUT and had_s < FAIR_S:
            # Else a caller in a great hurry could take the owner away from all others.
            self.breaker.abandoned()
        else:
            self.breaker.failed(time.monotonic())


FAIR_S: Final = 1.0
"""A call that was not answered in time counts against its owner if that had it for so long."""


@dataclass(slots=True)
class Owners:
    """All instances of a resource, and the service that has it."""

    service: str
    read_at: float
    instances: dict[str, Owner] = field(default_factory=dict)


@dataclass(slots=True)
class _Reading:
    task: "asyncio.Task[None] | None" = None
    owners: Owners | None = None
    error: IPCError | None = None


class Directory:
    """What one hub knows of owners.

    What it knows may be two seconds old when the word of a change was lost; an instance that has gone meanwhile is
    found out by its hub, before the call has begun.

    Args:
        store: where claims are.
        make_breaker: makes the breaker of an owner that is new.

    """

    def __init__(self, store: ResourceStore, make_breaker: Callable[[], Breaker]) -> None:
        self.ask_lost: Callable[[str, str], None] = lambda _hub, _address: None
        self._store = store
        self._make_breaker = make_breaker
        self._known: OrderedDict[str, Owners] = OrderedDict()
        self._stale: set[str] = set()
        self._reading: dict[str, _Reading] = {}
        # Their claims stay in Redis until they run out, a minute later.
        self._lost_hubs: OrderedDict[str, None] = OrderedDict()
        self._tasks = OwnedTasks("directory of resources")

    def all(self) -> list[tuple[str, Owners]]:
        """Return all that is known, by resource."""
        return list(self._known.items())

    def known(self, resource: str) -> Owners | None:
        """Return the owners of a resource as they were lately, None if they have to be looked up first."""
        owners = self._known.get(resource)
        if owners is None or not owners.instances or resource in self._stale:
            return None
        if time.monotonic() - owners.read_at > FRESH_S and resource not in self._reading:
            self._read(resource)
        return owners

    async def look_up(self, resource: str) -> Owners:
        """Return the owners of a resource as they are; all who ask at the same time are told by one reading.

        Raises:
            UnavailableError: Redis is out of reach, and nothing was known before.

        """
        reading = self._reading.get(resource)
        if reading is None or resource in self._stale:
            reading = self._read(resource)
        if reading.task is not None:
            await asyncio.wait([reading.task])
        if reading.owners is not None:
            return reading.owners
        before = self._known.get(resource)
        if before is not None and before.instances:
            return before
        raise reading.error or IPCError(f"the owners of {resource} were not read", code=ErrorCode.UNAVAILABLE)

    def changed(self, resources: Iterable[str]) -> None:
        """Take note that the owners of some resources have changed."""
        self._stale.update(name for name in resources if name in self._known or name in self._reading)

    def lost_hub(self, hub_id: str) -> None:
        """Forget the instances of a hub that does not answer, until it is heard again."""
        logger.warning("hub %s does not answer; what it serves is left out until it does", hub_id)
        self._lost_hubs[hub_id] = None
        if len(self._lost_hubs) > MAX_LOST_HUBS:
            self._lost_hubs.popitem(last=False)
        for owners in self._known.values():
            for instance in [name for name, owner in owners.instances.items() if owner.claim.hub == hub_id]:
                del owners.instances[instance]

    def found_hub(self, hub_id: str) -> None:
        """Take note that a hub was heard."""
        if hub_id in self._lost_hubs:
            del self._lost_hubs[hub_id]
            self.changed(list(self._known))

    async def close(self) -> None:
        """Stop reading."""
        await self._tasks.close()

    def _read(self, resource: str) -> _Reading:
        self._stale.discard(resource)
        reading = self._reading[resource] = _Reading()
        reading.task = self._tasks.start(self._carry_out(reading, resource), resource)
        return reading

    async def _carry_out(self, reading: _Reading, resource: str) -> None:
        try:
            ownership = await self._store.owners(resource)
        except IPCError as error:
            reading.error = error
            logger.warning("the owners of %s cannot be read: %s", resource, error)
            if (before := self._known.get(resource)) is not None:
                # Not again with the next call: while Redis is away there may be thousands of them.
                before.read_at = time.monotonic()
        else:
            is_latest = self._reading.get(resource) is reading
            reading.owners = self._learn(resource, ownership, is_latest=is_latest)
        finally:
            if self._reading.get(resource) is reading:
                del self._reading[resource]

    def _learn(self, resource: str, ownership: Ownership, *, is_latest: bool) -> Owners:
        before = self._known.get(resource)
        owners = Owners(ownership.service, time.monotonic())
        for claim in ownership.claims:
            if claim.hub in self._lost_hubs:
                self.ask_lost(claim.hub, claim.address)
                continue
            owner = before.instances.get(claim.instance) if before is not None else None
            if owner is None or owner.claim.session != claim.session:
                owner = Owner(claim, self._make_breaker())
            owner.claim = claim
            owners.instances[claim.instance] = owner
        if is_latest:
            self._keep(resource, owners)
        return owners

    def _keep(self, resource: str, owners: Owners) -> None:
        if not owners.instances:
            # Names that nobody serves must not drive out those that somebody does.
            self._known.pop(resource, None)
            return
        self._known[resource] = owners
        self._known.move_to_end(resource)
        if len(self._known) > MAX_KNOWN:
            gone, _ = self._known.popitem(last=False)
            self._stale.discard(gone)
