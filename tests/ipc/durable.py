"""Durable groups in a test's hands: members that answer when told to, a clock that moves when told to."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from ipc.hub.hub import Hub
from ipc.protocol.routing import logs_of_group
from ipc.stores.groups import Groups
from ipc.testing.clock import ManualClock
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S, Message

SERVICE, GROUP = "exprsn-herald", "notify"
NAME = f"{SERVICE}/{GROUP}"
POLL_S = 0.005


class GroupMember(Member):
    """A member of a group, with a cursor over what it was handed."""

    def __init__(self, hub: Hub, service: str = "herald", **options: Any) -> None:
        super().__init__(hub, service, **options)
        self._taken = 0

    async def join(self, *events: str, group: str = GROUP, **members: Any) -> Message:
        return await self.subscribe(*(events or ("*",)), group=group, **members)

    async def next(self) -> Message:
        """Wait for the next delivery."""
        await self.hears(self._taken + 1)
        event = self.peer.events[self._taken]
        self._taken += 1
        return event

    async def take(self, count: int) -> list[Message]:
        return [await self.next() for _ in range(count)]

    async def ack(self, *events: Message) -> None:
        await self.say({"type": "ack", "deliveries": [event["delivery"] for event in events]})

    async def nack(self, event: Message, reason: str = "no", **members: Any) -> None:
        await self.say({"type": "nack", "deliveries": [event["delivery"]], "reason": reason, **members})

    @property
    def last(self) -> Message:
        return self.peer.messages[-1]


class Wound(ManualClock):
    """A clock that tests move by seconds."""

    def forward(self, seconds: float) -> None:
        self.move_to(self.monotonic() + seconds)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something about Redis is true that nobody tells of."""
    async with asyncio.timeout(GUARD_S):
        while not await condition():  # noqa: ASYNC110 - Redis sets no event
            await asyncio.sleep(POLL_S)


async def pending(groups: Groups, *, name: str = NAME) -> list[tuple[str, int]]:
    """Return what a group has not acknowledged: consumer and attempts."""
    service, _, group = name.partition("/")
    found: list[tuple[str, int]] = []
    for log in logs_of_group(service, group):
        for consumer in await groups.consumers(log, name):
            found += [(entry.consumer, entry.attempts) for entry in await groups.pending(log, name, consumer)]
    return found


async def all_acknowledged(groups: Groups, *, name: str = NAME) -> None:
    async def is_empty() -> bool:
        return await pending(groups, name=name) == []

    await eventually(is_empty)
