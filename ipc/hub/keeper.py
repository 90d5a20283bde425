"""The keeper of a mesh: counts what groups lose to the caps of logs, and warns of settings of Redis that lose more."""

import asyncio
import logging

from redis.asyncio import Redis

from ipc.hub.tasks import OwnedTasks
from ipc.protocol.errors import IPCError
from ipc.protocol.routing import BROADCAST
from ipc.protocol.services import SERVICES
from ipc.stores.retention import Retention

logger = logging.getLogger(__name__)

ROUND_S = 10.0


class Keeper:
    """Looks after the Redis of a mesh while its hub runs; several keepers count nothing twice.

    Args:
        needs_persistence: whether a Redis that writes nothing to disk is worth a warning.

    """

    def __init__(self, redis: Redis, *, needs_persistence: bool = True) -> None:
        self.warnings: list[str] = []
        self._retention = Retention(redis)
        self._needs_persistence = needs_persistence
        self._tasks = OwnedTasks("keeper")

    def start(self) -> None:
        """Begin; Redis may still be out of reach."""
        self._tasks.start(self._run(), "rounds")

    async def stop(self) -> None:
        """End."""
        await self._tasks.close()

    async def look(self) -> None:
        """Read the settings of Redis, say what is new of what is wrong, and count what was lost since the last round.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        known = self.warnings
        self.warnings = await self._retention.warnings(needs_persistence=self._needs_persistence)
        for warning in self.warnings:
            if warning not in known:
                logger.warning("%s", warning)
        for loss in await self._retention.count_lost((BROADCAST, *SERVICES)):
            logger.error(
                "the group %s lost %d events of %s: they were trimmed before it had read them, so it needs more "
                "members, or the logs a higher IPC_LOG_MAXLEN or IPC_LOG_TTL",
                loss.group,
                loss.events,
                loss.log,
            )

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except IPCError as error:
                logger.warning("cannot look after the logs: %s", error)
            await asyncio.sleep(ROUND_S)
