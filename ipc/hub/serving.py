"""What the sessions of a hub serve: claims in Redis that are renewed while the session is here."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from ipc.hub.counters import Counters
from ipc.hub.session import Session
from ipc.hub.stores import ResourceStore
from ipc.hub.tasks import OwnedTasks
from ipc.protocol.calls import check_op, check_resource, check_unique
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.protocol.messages import Resource, Serve
from ipc.protocol.services import full_name
from ipc.stores.connection import COMMAND_TIMEOUT_S
from ipc.stores.resources import Claim

logger = logging.getLogger(__name__)

RELEASE_TIMEOUT_S: Final = COMMAND_TIMEOUT_S

Announce = Callable[[list[str]], Awaitable[None]]


class Serving:
    """The resources that sessions of one hub serve.

    Args:
        hub_id: of this hub.
        store: where claims are.
        address: returns the channel where this hub is reached.
        announce: tells this hub and all others that the owners of some resources have changed.

    """

    def __init__(
        self,
        hub_id: str,
        store: ResourceStore,
        *,
        address: Callable[[], str],
        announce: Announce,
        counters: Counters,
    ) -> None:
        self._hub_id = hub_id
        self._store = store
        self._address = address
        self._announce = announce
        self._counters = counters
        self._served: dict[Session, dict[str, Resource]] = {}
        # One at a time for a session, so that what it said last is what holds.
        self._locks: dict[Session, asyncio.Lock] = {}
        self._tasks = OwnedTasks(f"resources of hub {hub_id}")

    def resources_of(self, session: Session) -> dict[str, tuple[str, ...]]:
        """Return what a session serves, each with its operations."""
        return {name: tuple(resource.ops) for name, resource in self._served.get(session, {}).items()}

    async def serve(self, session: Session, message: Serve) -> None:
        """Claim the resources that a session says it serves, all or none, and release those it does not any more.

        Raises:
            BadMessageError: a name is wrong, or another service has one of them (RESOURCE_TAKEN).
            UnavailableError: Redis is out of reach.

        """
        wanted = _checked(message)
        async with self._locks.setdefault(session, asyncio.Lock()):
            before = self._served.get(session, {})
            for name, heir in (message.hand_over or {}).items():
                await self._hand_over(session.service, check_resource(name), full_name(heir))
            claimed: list[str] = []
            try:
                for resource in wanted.values():
                    await self._claim(session, resource)
                    claimed.append(resource.name)
            except IPCError:
                await self._release(session, [name for name in claimed if name not in before])
                raise
            self._served[session] = wanted
            await self._release(session, before.keys() - wanted.keys())
            await self._announce([*(before.keys() | wanted.keys())])
            if session.is_closed:
                self.leave(session)

    def leave(self, session: Session) -> None:
        """Release what a session served that is gone."""
        served = self._served.pop(session, None)
        self._locks.pop(session, None)
        if served:
            self._tasks.start(self._let_go(session, list(served)), f"release {session.instance}")

    async def withdraw_all(self) -> None:
        """Release everything, before the hub stops: whoever has begun with a call may still answer it."""
        served, self._served = self._served, {}
        for session, resources in served.items():
            await self._let_go(session, list(resources))

    async def renew(self) -> None:
        """Renew all claims, also those that Redis has lost; what another service has now is served no more."""
        for session, resources in list(self._served.items()):
            for resource in list(resources.values()):
                try:
                    await self._claim(session, resource)
                except BadMessageError as error:
                    logger.warning("%s does not serve %s any more: %s", session.instance, resource.name, error)
                    resources.pop(resource.name, None)
                    session.refuse(error)
                except IPCError as error:
                    self._counters.claims_failed += 1
                    logger.warning("claims are not renewed: %s", error)
                    return

    async def close(self) -> None:
        """Wait a moment for what is being released, and end."""
        if tasks := self._tasks.running:
            await asyncio.wait(tasks, timeout=1.0)
        await self._tasks.close()

    async def _claim(self, session: Session, resource: Resource) -> None:
        owner = await self._store.claim(resource.name, session.service, self._claim_of(session, resource))
        if owner != session.service:
            raise BadMessageError(
                f"{owner} serves {resource.name} already; it may hand it over",
                code=ErrorCode.RESOURCE_TAKEN,
                details={"resource": resource.name, "service": owner},
            )

    async def _hand_over(self, service: str, resource: str, heir: str) -> None:
        owner = await self._store.hand_over(resource, service, heir)
        if owner != service:
            raise BadMessageError(
                f"{service} cannot hand {resource} over: it is {f'that of {owner}' if owner else 'served by nobody'}",
                code=ErrorCode.RESOURCE_TAKEN,
                details={"resource": resource, "service": owner},
            )

    async def _let_go(self, session: Session, names: list[str]) -> None:
        await self._release(session, names)
        await self._announce(names)

    async def _release(self, session: Session, names: Iterable[str]) -> None:
        for name in names:
            try:
                async with asyncio.timeout(RELEASE_TIMEOUT_S):
                    await self._store.release(name, self._claim_of(session, Resource(name=name, ops=[])))
            except (IPCError, TimeoutError) as error:
                self._counters.claims_failed += 1
                logger.warning("a claim is not released and runs out by itself: %s", error)

    def _claim_of(self, session: Session, resource: Resource) -> Claim:
        return Claim(
            instance=session.instance,
            session=session.id,
            hub=self._hub_id,
            address=self._address(),
            ops=tuple(resource.ops),
            limit=min(resource.limit or session.limits.calls_per_owner, session.limits.calls_per_owner),
        )


def _checked(message: Serve) -> dict[str, Resource]:
    check_unique(resource.name for resource in message.resources)
    for resource in message.resources:
        check_resource(resource.name)
        for op in resource.ops:
            check_op(op)
    return {resource.name: resource for resource in message.resources}
