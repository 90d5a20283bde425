"""The twin of the channel layer: it carries pushes between the hubs of one process."""

import asyncio
import itertools
from collections import defaultdict
from typing import Any, Final

MAX_WAITING: Final = 1_000


class MemoryChannels:
    """Channels and groups; like the real one it loses what a channel has no room for."""

    def __init__(self) -> None:
        self._channels: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._groups: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self._numbers = itertools.count(1)

    async def new_channel(self) -> str:
        """Return the name of a new channel."""
        name = f"channel-{next(self._numbers)}"
        self._channels[name] = asyncio.Queue(MAX_WAITING)
        return name

    async def receive(self, channel: str) -> dict[str, Any]:
        """Wait for the next message of a channel."""
        return await self._channels[channel].get()

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send a message to one channel; one that does not exist, or is full, loses it."""
        queue = self._channels.get(channel)
        if queue is not None and not queue.full():
            queue.put_nowait(_copied(message))

    async def group_add(self, group: str, channel: str) -> None:
        """Add a channel to a group."""
        self._groups[group][channel] = None

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send a message to all channels of a group, each a copy of its own."""
        for channel in self._groups[group]:
            await self.send(channel, message)


def _copied(message: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, list) else value for name, value in message.items()}
