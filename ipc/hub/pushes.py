"""The fast path between hubs: pushes over the channel layer, which may lose them, since the log has them all.

Hubs that follow a log greet each other in its group. A hub that follows a log and has heard no other there keeps its
pushes to itself: publishing and reading back its own events cost it a fifth of its time (measured on one bridge).
A greeting says how far its sender is, so what was kept back before two hubs knew of each other is read from the log.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from ipc.hub.counters import Counters
from ipc.hub.feed import LogFeed
from ipc.hub.push import Push
from ipc.protocol.errors import IPCError, UnavailableError
from ipc.protocol.positions import position_key
from ipc.stores.connection import COMMAND_TIMEOUT_S, translated_errors

logger = logging.getLogger(__name__)

GREETING_S: Final = 10.0
PEER_TTL_S: Final = 3 * GREETING_S
REJOIN_S: Final = 1.0
ALL_HUBS: Final = "ipc.hubs"


class ChannelLayer(Protocol):
    """What a hub needs of a Channels layer (its specification is in Channels' documentation)."""

    async def new_channel(self) -> str:
        """Return the name of a new channel of this process."""

    async def receive(self, channel: str) -> dict[str, Any]:
        """Wait for the next message of a channel."""

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send a message to one channel."""

    async def group_add(self, group: str, channel: str) -> None:
        """Add a channel to a group."""

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send a message to all channels of a group."""


class Pushes:
    """The channel of one hub, and the hubs it has heard of.

    Args:
        hub_id: tells a hub's own messages from those of others.
        layer: carries them.
        feeds: the logs that the hub follows; what arrives is offered to them.
        others: take messages of other types than pushes and greetings, by type.

    `on_joined` is called whenever the hub has an address, which is another one after a failure.

    """

    def __init__(
        self,
        hub_id: str,
        layer: ChannelLayer,
        feeds: Mapping[str, LogFeed],
        counters: Counters,
        *,
        others: Mapping[str, Callable[[dict[str, Any]], Awaitable[None]]] | None = None,
    ) -> None:
        self._hub_id = hub_id
        self._layer = layer
        self._feeds = feeds
        self._counters = counters
        self._others = others or {}
        self.on_joined: Callable[[], None] = lambda: None
        self._channel = ""
        self._peers: dict[str, dict[str, float]] = {}

    async def listen(self, joined: asyncio.Event) -> None:
        """Take what others send until cancelled, joining again after failures; the event is set after the first try."""
        while True:
            try:
                async with translated_errors("listen on the channel layer"):
                    await self._join()
                    joined.set()
                    self.on_joined()
                    while True:
                        await self._take_known(await self._layer.receive(self._channel))
            except IPCError as error:
                self._counters.listens_failed += 1
                logger.warning("no pushes until the channel layer is back: %s", error)
                joined.set()
                await asyncio.sleep(REJOIN_S)

    @property
    def address(self) -> str:
        """The channel of this hub, where others reach it; empty until it has one."""
        return self._channel

    async def send(self, address: str, message: dict[str, Any]) -> None:
        """Send a message to the hub at an address.

        Raises:
            RedisError: the layer is out of reach.

        """
        await self._layer.send(address, message)

    async def tell_all(self, message: dict[str, Any]) -> None:
        """Send a message to all hubs, this one included.

        Raises:
            UnavailableError: the channel layer is out of reach.

        """
        async with translated_errors("tell all hubs"), asyncio.timeout(COMMAND_TIMEOUT_S):
            await self._layer.group_send(ALL_HUBS, message)

    async def join(self, log: str) -> None:
        """Become one of those who hear the pushes of a log.

        Raises:
            UnavailableError: the channel layer is out of reach.

        """
        if not self._channel:
            raise UnavailableError("the channel layer cannot be reached yet")
        async with translated_errors(f"join {log}"), asyncio.timeout(COMMAND_TIMEOUT_S):
            await self._layer.group_add(_group(log), self._channel)

    async def greet(self, feed: LogFeed, *, asks: bool) -> None:
        """Tell the others on a log how far this hub is, and ask those it may not know yet to do the same."""
        try:
            await self._send(
                feed.log,
                {"type": "ipc.hello", "hub": self._hub_id, "log": feed.log, "position": feed.cursor, "asks": asks},
            )
        except IPCError as error:
            self._counters.pushes_failed += 1
            logger.warning("other hubs were not greeted on %s: %s", feed.log, error)

    async def greet_all(self) -> None:
        """Greet on every followed log, as often as `GREETING_S` says."""
        for feed in list(self._feeds.values()):
            await self.greet(feed, asks=False)

    async def publish(self, push: Push) -> None:
        """Send a push to the other hubs of its log, unless this one is alone there.

        Raises:
            UnavailableError: the channel layer is out of reach.

        """
        if push.log in self._feeds and not self._has_peers(push.log):
            self._counters.pushes_spared += 1
            return
        message = {name: getattr(push, name) for name in Push.__slots__}
        await self._send(push.log, {"type": "ipc.push", "hub": self._hub_id, **message})
        self._counters.pushes_sent += 1

    async def _join(self) -> None:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            self._channel = await self._layer.new_channel()
            await self._layer.group_add(ALL_HUBS, self._channel)
            for log in self._feeds:
                await self._layer.group_add(_group(log), self._channel)

    async def _take_known(self, message: dict[str, Any]) -> None:
        """Pass over what a hub of another version says: the log has its events."""
        try:
            await self._take(message)
        except (TypeError, ValueError, LookupError, AttributeError, msgspec.MsgspecError) as error:
            self._counters.pushes_unknown += 1
            logger.warning("a push was not understood: %r", error)

    async def _take(self, message: dict[str, Any]) -> None:
        if (other := self._others.get(message["type"])) is not None:
            await other(message)
            return
        feed = self._feeds.get(message["log"])
        if message["hub"] == self._hub_id or feed is None:
            return
        if message["type"] == "ipc.hello":
            peers = self._peers.setdefault(feed.log, {})
            # It has not been pushed to until now, and may lack what this hub kept back since that greeting was sent.
            lacks = message["hub"] not in peers and position_key(message["position"]) < position_key(feed.cursor)
            peers[message["hub"]] = time.monotonic()
            feed.reached(message["position"])
            if message["asks"] or lacks:
                await self.greet(feed, asks=False)
        else:
            self._counters.pushes_received += 1
            feed.offer(Push(**{name: message[name] for name in Push.__slots__}))

    def _has_peers(self, log: str) -> bool:
        peers = self._peers.get(log)
        if not peers:
            return False
        oldest = time.monotonic() - PEER_TTL_S
        for hub_id in [hub_id for hub_id, heard in peers.items() if heard < oldest]:
            del peers[hub_id]
        return bool(peers)

    async def _send(self, log: str, message: dict[str, Any]) -> None:
        async with translated_errors(f"push {log}"), asyncio.timeout(COMMAND_TIMEOUT_S):
            await self._layer.group_send(_group(log), message)


def _group(log: str) -> str:
    return f"ipc.{log}"
