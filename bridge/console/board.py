"""What the feeds of one process show: put together once a second for all of them, and only while somebody looks."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

import msgspec

from ipc.hub.hub import Hub
from ipc.protocol.errors import IPCError

Compose = Callable[[Hub], Awaitable[Any]]


class Board:
    """One thing to show of one hub's mesh.

    Args:
        hub: by which the mesh is read.
        compose: returns what is to be shown, as values that JSON knows or Structs.
        every_s: for how many seconds that holds.

    """

    def __init__(self, hub: Hub, compose: Compose, *, every_s: int = 1) -> None:
        self._hub = hub
        self._compose = compose
        self._every_s = every_s
        self._text = ""
        self._of = 0
        self._lock = asyncio.Lock()

    async def text(self) -> str:
        """Return what is shown now, as JSON; what could not be read has a ``problem`` in its place."""
        async with self._lock:
            now = int(time.time()) // self._every_s
            if self._of != now:
                self._text = await self._composed()
                self._of = now
            return self._text

    async def _composed(self) -> str:
        try:
            shown = await self._compose(self._hub)
        except IPCError as error:
            shown = {"problem": error.message}
        return msgspec.json.encode(shown).decode()


_BOARDS: WeakKeyDictionary[Hub, dict[object, Board]] = WeakKeyDictionary()


def board_of(hub: Hub, compose: Compose, *, every_s: int = 1) -> Board:
    """Return the board of a hub that shows what a function composes."""
    boards = _BOARDS.setdefault(hub, {})
    if (board := boards.get(compose)) is None:
        board = boards[compose] = Board(hub, compose, every_s=every_s)
    return board
