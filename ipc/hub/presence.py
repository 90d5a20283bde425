"""Keeping a hub's sessions in the registry."""

import logging
import time
from typing import Final

from ipc.hub.batching import Batcher
from ipc.hub.counters import Counters
from ipc.hub.session import Session
from ipc.hub.stores import RegistryStore
from ipc.protocol.errors import IPCError
from ipc.stores.registry import Registration

logger = logging.getLogger(__name__)

MAX_BATCH: Final = 1_000


class Presence:
    """The entries of one hub; a failure is counted, since entries that are not renewed expire by themselves."""

    def __init__(self, hub_id: str, registry: RegistryStore, counters: Counters) -> None:
        self._hub_id = hub_id
        self._registry = registry
        self._counters = counters
        # One after the other: an entry written behind its own removal would stay for a minute.
        self._changes: Batcher[Session] = Batcher(
            self._write, capacity=MAX_BATCH, max_items=MAX_BATCH, max_size=MAX_BATCH, name=f"presence {hub_id}"
        )

    def changed(self, session: Session) -> None:
        """Write down that a session is here, for another minute, or has left: whichever is true by then."""
        self._changes.put(session, 1)

    async def flushed(self) -> None:
        """Wait until all that changed is written."""
        await self._changes.flushed()

    async def close(self) -> None:
        """Stop at once."""
        await self._changes.close()

    async def _write(self, sessions: list[Session]) -> None:
        here = [session for session in dict.fromkeys(sessions) if not session.is_closed]
        left = {session.instance: session.id for session in sessions if session.is_closed}
        try:
            if here:
                await self._registry.put([self._registration(session) for session in here])
            if left:
                await self._registry.remove(left)
        except IPCError as error:
            self._counters.registrations_failed += 1
            logger.warning("the registry is not up to date; entries that are not renewed expire: %s", error)

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
