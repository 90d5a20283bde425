"""Keeping a hub's sessions in the registry."""

import logging
import time
from collections.abc import Iterable

from ipc.hub.counters import Counters
from ipc.hub.session import Session
from ipc.protocol.errors import IPCError
from ipc.stores.registry import Registration, Registry

logger = logging.getLogger(__name__)


class Presence:
    """The entries of one hub; a failure is counted, since entries that are not renewed expire by themselves."""

    def __init__(self, hub_id: str, registry: Registry, counters: Counters) -> None:
        self._hub_id = hub_id
        self._registry = registry
        self._counters = counters

    async def renew(self, sessions: Iterable[Session]) -> None:
        """Write the entries of sessions, for another minute."""
        try:
            await self._registry.put([self._registration(session) for session in sessions if not session.is_closed])
        except IPCError as error:
            self._counters.registrations_failed += 1
            logger.warning("the registry was not renewed: %s", error)

    async def leave(self, sessions: Iterable[Session]) -> None:
        """Take the entries of sessions out."""
        try:
            await self._registry.remove({session.instance: session.id for session in sessions})
        except IPCError as error:
            self._counters.registrations_failed += 1
            logger.warning("the registry keeps instances that left until they expire: %s", error)

    def _registration(self, session: Session) -> Registration:
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
        )
