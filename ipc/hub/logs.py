"""The logs that a hub follows and appends to."""

import asyncio
import logging
from collections.abc import Iterable

from ipc.hub import subscriptions
from ipc.hub.counters import Counters
from ipc.hub.feed import LogFeed
from ipc.hub.loop_time import LoopTime
from ipc.hub.push import Push
from ipc.hub.pushes import Pushes
from ipc.hub.stores import LogStore
from ipc.hub.tasks import OwnedTasks
from ipc.hub.writer import LogWriter
from ipc.protocol.errors import IPCError
from ipc.protocol.positions import position_key
from ipc.protocol.routing import BROADCAST
from ipc.protocol.services import SERVICES

logger = logging.getLogger(__name__)


class HubLogs:
    """One feed for each log that a session of this hub listens to, and one writer for each that is appended to.

    Args:
        feeds: the logs that are followed, which the pushes of other hubs go to.
        eventlog: holds the logs.
        pushes: tell other hubs what was appended.
        counters: count what fails.
        loop_time: what the feeds measure their work with.
        tasks: own what the feeds start.

    """

    def __init__(
        self,
        feeds: dict[str, LogFeed],
        eventlog: LogStore,
        pushes: Pushes,
        *,
        counters: Counters,
        loop_time: LoopTime,
        tasks: OwnedTasks,
    ) -> None:
        self.feeds = feeds
        self._eventlog = eventlog
        self._pushes = pushes
        self._counters = counters
        self._loop_time = loop_time
        self._tasks = tasks
        self._follow_lock = asyncio.Lock()
        self._writers: dict[str, LogWriter] = {}

    async def follow(self, log: str) -> LogFeed:
        """Return the feed of a log, joining its group first if this hub does not follow it yet.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        if (feed := self.feeds.get(log)) is not None:
            return feed
        async with self._follow_lock:
            if (feed := self.feeds.get(log)) is not None:
                return feed
            await self._pushes.join(log)
            # Read after joining: what is appended from here on is pushed to us, what was before is in the cursor.
            (cursor,) = await self._eventlog.last_positions([log])
            feed = LogFeed(
                log,
                cursor,
                self._eventlog,
                self._counters,
                self._tasks,
                loop_time=self._loop_time,
                fall_behind=subscriptions.fall_behind,
            )
            self.feeds[log] = feed
            await self._pushes.greet(feed, asks=True)
            return feed

    def writer(self, log: str) -> LogWriter:
        """Return the way into a log."""
        if (writer := self._writers.get(log)) is None:
            writer = self._writers[log] = LogWriter(
                log, self._eventlog, self._counters, deliver=self._deliver, publish=self._pushes.publish
            )
        return writer

    async def room(self, logs: Iterable[str]) -> None:
        """Wait until the writers of some logs can take more."""
        for log in logs:
            await self.writer(log).room()

    async def lag_ms(self) -> int:
        """Return how far this hub is behind the log it is furthest behind, in milliseconds of the log's own time.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        feeds = dict(self.feeds)
        positions = await self._eventlog.last_positions(list(feeds)) if feeds else []
        lags = [
            # A log that was empty when it was followed has no time to be behind of yet.
            position_key(last)[0] - (position_key(feed.cursor)[0] or position_key(last)[0])
            for feed, last in zip(feeds.values(), positions, strict=True)
            if feed.is_behind
        ]
        return max([0, *lags])

    async def reconcile(self) -> None:
        """Look for events whose push was lost."""
        if not self.feeds:
            return
        logs = list(self.feeds)
        try:
            positions = await self._eventlog.last_positions(logs)
        except IPCError as error:
            self._counters.reconciles_failed += 1
            logger.warning("cannot look for missed events: %s", error)
            return
        for log, position in zip(logs, positions, strict=True):
            self.feeds[log].reached(position)

    async def trim(self) -> None:
        """Remove from all logs what is older than they keep."""
        for log in (BROADCAST, *SERVICES):
            try:
                await self._eventlog.trim(log)
            except IPCError as error:
                logger.warning("cannot trim by age: %s", error)
                return

    async def flushed(self) -> None:
        """Wait until everything that was put is appended and published."""
        for writer in self._writers.values():
            await writer.flushed()

    async def close(self) -> None:
        """Stop the writers at once."""
        for writer in self._writers.values():
            await writer.close()

    def _deliver(self, push: Push) -> None:
        if (feed := self.feeds.get(push.log)) is not None:
            feed.offer(push)
