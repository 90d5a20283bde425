"""Keeping a hub's sessions in the registry, and telling the mesh which services have come and gone."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ipc.hub.announcer import Announcer
from ipc.hub.batching import Batcher
from ipc.hub.clock import Clock
from ipc.hub.counters import Counters
from ipc.hub.session import Session
from ipc.hub.stores import RegistryStore
from ipc.protocol.discovery import Hearing, ServedResource
from ipc.protocol.errors import IPCError
from ipc.stores.registration_size import fitting
from ipc.stores.registry import GRACE_S, HEARTBEAT_S, Registration

logger = logging.getLogger(__name__)

MAX_BATCH: Final = 1_000
AFTER_GRACE_S: Final = GRACE_S + 0.1
STEADY_S: Final = 1.25 * HEARTBEAT_S
"""Redis has to be in reach for so long before instances count as expired: each hub has then renewed its own."""

Hears = Callable[[Session], Sequence[Hearing]]
Serves = Callable[[Session], Mapping[str, tuple[str, ...]]]


class Presence:
    """The entries of one hub; a failure is counted, since entries that are not renewed expire by themselves.

    Args:
        hub_id: of this hub.
        registry: where entries are.
        announcer: tells of services that have come or gone.
        clock: the time that the grace of a service goes by.
        hears: tells what a session hears.
        serves: tells what it serves.

    """

    def __init__(
        self,
        hub_id: str,
        registry: RegistryStore,
        counters: Counters,
        *,
        announcer: Announcer,
        clock: Clock,
        hears: Hears,
        serves: Serves,
    ) -> None:
        self._hub_id = hub_id
        self._registry = registry
        self._counters = counters
        self._announcer = announcer
        self._clock = clock
        self._hears = hears
        self._serves = serves
        self._waiting: set[Session] = set()
        # What Redis has for sure, and what it may have, although the answer was lost.
        self._written: set[Session] = set()
        self._tried: set[Session] = set()
        self._unsteady_since = time.monotonic()
        self._look_at: float | None = None
        self._left = asyncio.Event()
        # One after the other: an entry written behind its own removal would stay for a minute.
        self._changes: Batcher[Session] = Batcher(
            self._write, capacity=MAX_BATCH, max_items=MAX_BATCH, max_size=MAX_BATCH, name=f"presence {hub_id}"
        )

    def changed(self, session: Session) -> None:
        """Write down that a session is here, for another minute, or has left: whichever is true by then."""
        if session not in self._waiting:
            self._waiting.add(session)
            self._changes.put(session, 1)

    async def flushed(self) -> None:
        """Wait until all that changed is written."""
        await self._changes.flushed()

    async def watch(self) -> None:
        """Look, when the grace of a service is over, whether it has come back, until cancelled."""
        while True:
            self._left.clear()
            await self._clock.wait(self._left, self._look_at)
            if self._look_at is not None and self._clock.monotonic() >= self._look_at:
                self._look_at = None
                await self._sweep(expires=False)

    async def sweep(self) -> None:
        """Look which services have gone, and tell what nobody has told yet."""
        await self._sweep(expires=time.monotonic() - self._unsteady_since > STEADY_S)

    def lost_touch(self) -> None:
        """Take note that Redis was out of reach: others have to renew their entries before any counts as expired."""
        self._unsteady_since = time.monotonic()

    async def close(self) -> None:
        """Stop at once."""
        await self._changes.close()

    async def _sweep(self, *, expires: bool) -> None:
        try:
            self._announcer.tell(await self._registry.sweep(expires=expires))
        except IPCError as error:
            self.lost_touch()
            logger.warning("cannot look which services have gone: %s", error)

    async def _write(self, sessions: list[Session]) -> None:
        self._waiting.difference_update(sessions)
        # Who closes while this is written comes again in the next batch.
        here = [session for session in sessions if not session.is_closed]
        closed = {session for session in sessions if session.is_closed}
        left = {session.instance: session.id for session in closed & self._tried}
        renewed = frozenset(session.instance for session in here if session in self._written)
        self._tried.update(here)
        try:
            if here:
                entries = [fitting(self._registration(session)) for session in here]
                self._announcer.tell(await self._registry.put(entries, renewed=renewed))
                self._written.update(here)
            if left:
                self._announcer.tell(await self._registry.remove(left))
                self._look_at = self._clock.monotonic() + AFTER_GRACE_S
                self._left.set()
        except IPCError as error:
            self._counters.registrations_failed += 1
            self.lost_touch()
            logger.warning("the registry is not up to date; entries that are not renewed expire: %s", error)
        self._written -= closed
        self._tried -= closed

    def _registration(self, session: Session) -> Registration:
        claims = session.identity.claims
        return Registration(
            instance=session.instance,
            session=session.id,
            service=session.service,
            hub=self._hub_id,
            door=session.origin.door,
            pid=session.origin.pid,
            hostname=session.origin.hostname,
            registered_ms=session.registered_ms,
            last_seen_ms=time.time_ns() // 1_000_000,
            last_activity_ms=session.last_activity_ms,
            version=session.origin.version,
            resources=tuple(ServedResource(name=name, ops=ops) for name, ops in self._serves(session).items()),
            emits=tuple(session.emits),
            hears=tuple(self._hears(session)),
            permissions=tuple(sorted(session.identity.permissions)),
            token=claims.id if claims is not None else "",
            token_issued_s=claims.iat if claims is not None else 0.0,
            is_rate_exempt=claims is not None and claims.rate_limit_exempt,
            is_dev_bypass=session.identity.is_dev_bypass,
            outbox_messages=session.backlog.messages,
            outbox_bytes=session.backlog.size,
        )
