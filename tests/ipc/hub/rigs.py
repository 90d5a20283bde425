"""A hub whose groups can be made to fail, and whose time passes when the test says so."""

import asyncio
from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from ipc.hub.group_task import FAILURE_PAUSE_S, TEND_S
from ipc.hub.hub import Hub
from ipc.protocol.errors import UnavailableError
from ipc.stores import keys
from tests.ipc.durable import GROUP, SERVICE, Wound, eventually


class Flaky:
    """A store of groups; `fail` makes a method fail, before or after it was carried out."""

    def __init__(self, groups: Any) -> None:
        self._groups = groups
        self._failures: dict[str, tuple[bool, Exception]] = {}
        self.failed: list[str] = []

    def fail(self, method: str, *, after: bool = False, error: Exception | None = None) -> None:
        self._failures[method] = (after, error or UnavailableError("cut"))

    def recover(self) -> None:
        self._failures.clear()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._groups, name)

        async def call(*args: Any, **options: Any) -> Any:
            if name not in self._failures:
                return await method(*args, **options)
            after, error = self._failures[name]
            if after:
                await method(*args, **options)
            self.failed.append(name)
            raise error

        return call


class Rig:
    """A hub with a flaky store and a clock of its own."""

    def __init__(self, hub: Hub, clock: Wound) -> None:
        self.hub = hub
        self.clock = clock
        self.flaky = Flaky(hub.deliveries._store)
        hub.deliveries._store = self.flaky

    async def failure(self, method: str) -> None:
        """Wait until a method has failed."""

        async def has_failed() -> bool:
            return method in self.flaky.failed

        await eventually(has_failed)

    async def rests(self) -> None:
        """Wait until the group waits for the time."""

        async def waits() -> bool:
            return self.clock.next_alarm is not None

        await eventually(waits)

    async def recovers(self) -> None:
        self.flaky.recover()
        await self.rests()
        self.clock.forward(FAILURE_PAUSE_S + 0.1)

    async def tends(self, times: int = 1) -> None:
        """Let the time of so many rounds of tending pass."""
        for _ in range(times):
            await self.rests()
            self.clock.forward(TEND_S + 0.1)
            await asyncio.sleep(0.05)

    async def dies(self, redis: Redis) -> None:
        """Stop the groups as a crash would, and let the hub's word run out."""
        await self.hub.deliveries._tasks.close()
        await redis.zrem(keys.serving(SERVICE, GROUP), self.hub.id)


MakeRig = Callable[..., Any]
