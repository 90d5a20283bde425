"""Workers that keep what they hear, on the hubs of a backend."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from ipc import EventContext, IPCWorker
from ipc.hub.hub import Hub
from ipc.transports.local import LocalTransport

GUARD_S = 20.0


class Recorder:
    """A worker whose handlers keep what they get, after doing what the test says."""

    def __init__(self, service: str) -> None:
        self.worker = IPCWorker(service)
        self.heard: list[tuple[Any, EventContext]] = []
        self.up = asyncio.Event()
        self._changed = asyncio.Event()
        self.worker.hook("ready")(lambda _welcome: self.up.set())

    def listens(self, *patterns: str, does: Callable[[Any, EventContext], None] | None = None, **options: Any) -> None:
        """Register a handler; what ``does`` raises, it raises, after the event was kept."""

        @self.worker.on(*patterns, **options)
        async def keep(data: Any, ctx: EventContext) -> None:
            self.heard.append((data, ctx))
            self._changed.set()
            if does is not None:
                does(data, ctx)

    @property
    def data(self) -> list[Any]:
        return [data for data, _ in self.heard]

    async def hears(self, count: int) -> list[Any]:
        """Wait until it has heard so many events, and return the data of all."""
        await self.until(lambda: len(self.heard) >= count)
        return self.data

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true that only an event can bring about."""
        async with asyncio.timeout(GUARD_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    @asynccontextmanager
    async def on(self, hub: Hub) -> AsyncIterator["Recorder"]:
        """Be attached to a hub for the length of a block."""
        await self.worker.start(LocalTransport(hub, self.worker.service))
        try:
            async with asyncio.timeout(GUARD_S):
                await self.worker.ready()
            yield self
        finally:
            await self.worker.stop()
