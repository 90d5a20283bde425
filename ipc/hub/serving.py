"""What the sessions of a hub serve: claims in Redis that are renewed while the session is here."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from ipc.hub.counters import Counters
from ipc.hub.session import Session
from ipc.hub.stores import ResourceStore
from ipc.hub.tasks import OwnedTasks
from ipc.protocol.calls import MAX_RESOURCES, check_op, check_resource, check_unique
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.protocol.messages import Resource, Serve
from ipc.protocol.permissions import check_permission
from ipc.protocol.services import full_name
from ipc.stores.connection import COMMAND_TIMEOUT_S
from ipc.stores.resources import Claim
from ipc.tracing.steps import attending

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
        # What a session serves is written by one at a time: what it says, a renewal, and its end.
        self._locks: dict[Session, asyncio.Lock] = {}
        self._tasks = OwnedTasks(f"resources of hub {hub_id}")

    def resources_of(self, session: Session) -> dict[str, tuple[str, ...]]:
        """Return what a session serves, each with its operations."""
        return {name: tuple(resource.ops) for name, resource in self._served.get(session, {}).items()}

    def limit_of(self, session: Session, resource: str) -> int | None:
        """Return how many calls to a resource a session takes at the same time, None if it does not serve it."""
        served = self._served.get(session, {}).get(resource)
        if served is None:
            return None
        most = session.limits.calls_per_owner
        return min(served.limit or most, most)

    async def serve(self, session: Session, message: Serve) -> None:
        """Claim the resources that a session says it serves, all or none, and release those it does not any more.

        Raises:
            ForbiddenError: it may not serve one of them.
            BadMessageError: a name is wrong, or another service has one of them (RESOURCE_TAKEN).
            UnavailableError: Redis is out of reach.

        """
        wanted, heirs = _checked(session, message)
        async with self._lock(session):
            before = self._served.get(session, {})
            for name, heir in heirs.items():
                await self._hand_over(session.service, name, heir)
            # From its claim on a call may come, before this has gone through all of them.
            self._served[session] = before | wanted
            try:
                await self._claim_all(session, wanted, before)
            except BaseException:
                self._served[session] = before
                raise
            # Before it is told: no call comes after the answer to what it says that it does not serve any more.
            self._served[session] = wanted
            await self._release(session, before.keys() - wanted.keys())
            await self._announce([*(before.keys() | wanted.keys())])
        if session.is_closed:
            self.leave(session)

    def leave(self, session: Session) -> None:
        """Release what a session served that is gone."""
        if session in self._served or session in self._locks:
            self._tasks.start(self._let_go(session), f"release {session.instance}")

    async def withdraw_all(self) -> None:
        """Release everything, before the hub stops: whoever has begun with a call may still answer it."""
        await asyncio.gather(*(self._let_go(session) for session in list(self._served)))

    async def renew(self) -> None:
        """Renew all claims, also those that Redis has lost; what another service has now is served no more."""
        for session in list(self._served):
            async with self._lock(session):
                if not await self._renew(session):
                    return

    def moved(self) -> None:
        """Renew all claims because this hub has another address, and tell all hubs."""
        if self._served:
            self._tasks.start(self._renew_and_tell(), "claim anew")

    async def close(self) -> None:
        """Wait a moment for what is being released, and end."""
        if tasks := self._tasks.running:
            await asyncio.wait(tasks, timeout=1.0)
        await self._tasks.close()

    def _lock(self, session: Session) -> asyncio.Lock:
        return self._locks.setdefault(session, asyncio.Lock())

    async def _renew_and_tell(self) -> None:
        await self.renew()
        await self._announce(sorted({name for served in self._served.values() for name in served}))

    async def _claim_all(
        self, session: Session, wanted: Mapping[str, Resource], before: Mapping[str, Resource]
    ) -> None:
        begun: list[str] = []
        try:
            for resource in wanted.values():
                # Before the answer: one that is lost may have been yes.
                begun.append(resource.name)
                await self._claim(session, resource)
        except IPCError:
            await self._release(session, [name for name in begun if name not in before])
            for name in [name for name in begun if name in before]:
                await self._renew_one(session, before[name])
            raise

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

    async def _renew(self, session: Session) -> bool:
        """Renew the claims of a session; tell whether Redis could be reached."""
        for resource in list(self._served.get(session, {}).values()):
            if session.is_closed:
                return True
            if not await self._renew_one(session, resource):
                return False
        return True

    async def _renew_one(self, session: Session, resource: Resource) -> bool:
        try:
            await self._claim(session, resource)
        except BadMessageError as error:
            with attending(session.id):
                logger.warning("%s does not serve %s any more: %s", session.instance, resource.name, error)
            served = self._served.get(session, {})
            self._served[session] = {name: kept for name, kept in served.items() if name != resource.name}
            session.refuse(error)
        except IPCError as error:
            self._counters.claims_failed += 1
            logger.warning("claims are not renewed: %s", error)
            return False
        return True

    async def _let_go(self, session: Session) -> None:
        async with self._lock(session):
            names = list(self._served.pop(session, {}))
            await self._release(session, names)
            if names:
                await self._announce(names)
        self._locks.pop(session, None)

    async def _release(self, session: Session, names: Iterable[str]) -> None:
        for name in names:
            try:
                async with asyncio.timeout(RELEASE_TIMEOUT_S):
                    await self._store.release(name, self._claim_of(session, Resource(name=name, ops=[])))
            except (IPCError, TimeoutError) as error:
                self._counters.claims_failed += 1
                logger.warning("a claim is not released and runs out by itself: %s", error)

    def _claim_of(self, session: Session, resource: Resource) -> Claim:
        most = session.limits.calls_per_owner
        return Claim(
            instance=session.instance,
            session=session.id,
            hub=self._hub_id,
            address=self._address(),
            ops=tuple(resource.ops),
            limit=min(resource.limit or most, most),
        )


def _checked(session: Session, message: Serve) -> tuple[dict[str, Resource], dict[str, str]]:
    """Return what a session wants to serve, by name, and the services that it hands resources over to."""
    handed_over = message.hand_over or {}
    if len(handed_over) > MAX_RESOURCES:
        raise BadMessageError(f"hand_over has at most {MAX_RESOURCES} resources, this has {len(handed_over)}")
    check_unique(resource.name for resource in message.resources)
    for name in [*(resource.name for resource in message.resources), *handed_over]:
        check_permission(session.identity.permissions, "serve", check_resource(name))
    for op in (op for resource in message.resources for op in resource.ops):
        check_op(op)
    heirs = {name: full_name(heir) for name, heir in handed_over.items()}
    return {resource.name: resource for resource in message.resources}, heirs
