"""What hubs send to one hub by its address, in order and in batches: calls, replies, and questions about them."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from ipc.hub.batching import Batcher
from ipc.hub.counters import Counters
from ipc.protocol.errors import IPCError
from ipc.stores.connection import COMMAND_TIMEOUT_S, translated_errors

logger = logging.getLogger(__name__)

MAX_ADDRESSES: Final = 256
CAPACITY_BYTES: Final = 8 * 1024 * 1024
MAX_BATCH_BYTES: Final = 1024 * 1024
MAX_BATCH: Final = 512
KEEP_S: Final = 15.0
PAUSE_S: Final = 0.1
MAX_PAUSE_S: Final = 1.0

Item = list[Any]
Send = Callable[[str, dict[str, Any]], Awaitable[None]]


class Interhub:
    """The lines from one hub to others, each with what waits for it.

    What comes a second time does no harm, except for calls. So those are told to ``on_lost`` when it is not known
    whether they have arrived, and all else is sent again for a while.

    Args:
        hub_id: who sends.
        address: returns the channel where this hub is reached.
        send: sends a message to a channel.
        on_lost: told of calls, and of questions, that may not have arrived.

    """

    def __init__(
        self,
        hub_id: str,
        *,
        address: Callable[[], str],
        send: Send,
        counters: Counters,
        on_lost: Callable[[Sequence[Item]], None],
    ) -> None:
        self._hub_id = hub_id
        self._address = address
        self._send = send
        self._counters = counters
        self._on_lost = on_lost
        self._lines: OrderedDict[str, Batcher[Item]] = OrderedDict()

    def put(self, address: str, item: Item, size: int) -> bool:
        """Send an item to a hub as soon as may be; False when too much waits for it already."""
        line = self._lines.get(address)
        if line is None:
            line = self._lines[address] = self._line(address)
            if len(self._lines) > MAX_ADDRESSES:
                self._drop_idle()
        if line.is_full:
            return False
        line.put(item, size)
        return True

    async def close(self) -> None:
        """Send what waits, as far as that is quick, and end."""
        lines = list(self._lines.values())
        try:
            async with asyncio.timeout(1.0):
                for line in lines:
                    await line.flushed()
        except TimeoutError:
            logger.warning("not all replies to other hubs could be sent")
        for line in lines:
            await line.close()

    def _line(self, address: str) -> Batcher[Item]:
        async def send(items: list[Item]) -> None:
            give_up_at = time.monotonic() + KEEP_S
            pause_s = PAUSE_S
            while items and not await self._sent(address, items):
                once = [item for item in items if item[0] in _ONCE]
                self._on_lost(once)
                items = [item for item in items if item[0] not in _ONCE]
                if time.monotonic() > give_up_at:
                    logger.warning("%d replies did not reach another hub", len(items))
                    return
                await asyncio.sleep(pause_s)
                pause_s = min(MAX_PAUSE_S, 2 * pause_s)

        return Batcher(
            send, capacity=CAPACITY_BYTES, max_items=MAX_BATCH, max_size=MAX_BATCH_BYTES, name=f"hub at {address}"
        )

    async def _sent(self, address: str, items: list[Item]) -> bool:
        message = {"type": "ipc.calls", "hub": self._hub_id, "address": self._address(), "items": items}
        try:
            async with translated_errors("reach another hub"), asyncio.timeout(COMMAND_TIMEOUT_S):
                await self._send(address, message)
        except IPCError as error:
            self._counters.interhub_failed += 1
            logger.warning("%d calls and replies did not reach another hub: %s", len(items), error)
            return False
        return True

    def _drop_idle(self) -> None:
        for address in [address for address, line in self._lines.items() if line.is_idle][: MAX_ADDRESSES // 4]:
            del self._lines[address]


_ONCE: Final = frozenset({"call", "probe"})
