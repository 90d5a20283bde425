"""What hubs send to one hub by its address: calls and replies, and questions whether it is there at all."""

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
PROBE_AFTER_S: Final = 1.0
LOST_AFTER_S: Final = 3.0

Item = list[Any]
Send = Callable[[str, dict[str, Any]], Awaitable[None]]


class Interhub:
    """The lines from one hub to others, each with what waits for it; what is lost with one is told.

    Args:
        hub_id: who sends.
        address: returns the channel where this hub is reached.
        send: sends a message to a channel.
        on_lost: told of items that could not be sent.

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
        self._heard: OrderedDict[str, float] = OrderedDict()
        self._probed: dict[str, float] = {}

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

    def heard(self, hub_id: str) -> None:
        """Take note that a hub has said something."""
        self._heard[hub_id] = time.monotonic()
        self._heard.move_to_end(hub_id)
        self._probed.pop(hub_id, None)
        if len(self._heard) > MAX_ADDRESSES:
            self._heard.popitem(last=False)

    def is_lost(self, hub_id: str, address: str, waiting_since: float) -> bool:
        """Tell whether a hub that owes an answer since then is to be taken for dead; it is asked before that."""
        now = time.monotonic()
        silent_s = now - max(self._heard.get(hub_id, 0.0), waiting_since)
        if silent_s > LOST_AFTER_S:
            return True
        if silent_s > PROBE_AFTER_S and now - self._probed.get(hub_id, 0.0) > PROBE_AFTER_S / 2:
            self._probed[hub_id] = now
            self.put(address, ["probe"], 16)
        return False

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
            message = {"type": "ipc.calls", "hub": self._hub_id, "address": self._address(), "items": items}
            try:
                async with translated_errors("reach another hub"), asyncio.timeout(COMMAND_TIMEOUT_S):
                    await self._send(address, message)
            except IPCError as error:
                self._counters.interhub_failed += 1
                logger.warning("%d calls and replies did not reach another hub: %s", len(items), error)
                self._on_lost(items)

        return Batcher(
            send, capacity=CAPACITY_BYTES, max_items=MAX_BATCH, max_size=MAX_BATCH_BYTES, name=f"hub at {address}"
        )

    def _drop_idle(self) -> None:
        for address in [address for address, line in self._lines.items() if line.is_idle][: MAX_ADDRESSES // 4]:
            del self._lines[address]
