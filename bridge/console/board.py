"""What the feeds of one process show: put together once a second for all of them, and only while somebody looks."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final, Generic, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from ipc.hub.hub import Hub
from ipc.protocol.errors import IPCError
from ipc.protocol.statistics import Figures, Window

T = TypeVar("T")
Compose = Callable[[Hub], Awaitable[Any]]
FIGURES_EVERY_S = 5
"""Adding up a minute of nineteen services and four hubs takes 20 ms of CPU (measured), a few seconds far less."""
HOLDS_S: Final[dict[Window, int]] = {60: FIGURES_EVERY_S, 300: 10, 3600: 30, 86400: 60}
"""For how long the figures of a window hold; the longer it is, the less a few seconds change."""


class Held(Generic[T]):
    """Something of one hub's mesh that holds for some seconds, whoever asks for it.

    Args:
        hub: by which the mesh is read.
        make: returns it; what it raises is not held.
        every_s: for how many seconds it holds.

    """

    def __init__(self, hub: Hub, make: Callable[[Hub], Awaitable[T]], *, every_s: int) -> None:
        self._hub = hub
        self._make = make
        self._every_s = every_s
        self._held: tuple[int, T] | None = None
        self._lock = asyncio.Lock()

    async def value(self) -> T:
        """Return it, as it is now or was a moment ago."""
        async with self._lock:
            now = int(time.time()) // self._every_s
            if self._held is None or self._held[0] != now:
                self._held = (now, await self._make(self._hub))
            return self._held[1]


class Board:
    """One thing to show of one hub's mesh, as JSON.

    Args:
        hub: by which the mesh is read.
        compose: returns what is to be shown, as values that JSON knows or Structs.
        every_s: for how many seconds that holds.

    """

    def __init__(self, hub: Hub, compose: Compose, *, every_s: int = 1) -> None:
        self._compose = compose
        self._held = Held(hub, self._composed, every_s=every_s)

    async def text(self) -> str:
        """Return what is shown now; what could not be read has a ``problem`` in its place."""
        return await self._held.value()

    async def _composed(self, hub: Hub) -> str:
        try:
            shown = await self._compose(hub)
        except IPCError as error:
            shown = {"problem": error.message}
        return msgspec.json.encode(shown).decode()


_BOARDS: WeakKeyDictionary[Hub, dict[object, Board]] = WeakKeyDictionary()
_FIGURES: WeakKeyDictionary[Hub, dict[Window, Held[Figures]]] = WeakKeyDictionary()


def board_of(hub: Hub, compose: Compose, *, every_s: int = 1) -> Board:
    """Return the board of a hub that shows what a function composes."""
    boards = _BOARDS.setdefault(hub, {})
    if (board := boards.get(compose)) is None:
        board = boards[compose] = Board(hub, compose, every_s=every_s)
    return board


async def figures_of(hub: Hub, window: Window = 60) -> Figures:
    """Return the figures of the last seconds, not older than `HOLDS_S` says.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    of_hub = _FIGURES.setdefault(hub, {})
    if (held := of_hub.get(window)) is None:
        held = of_hub[window] = Held(hub, partial(_figures, window), every_s=HOLDS_S[window])
    return await held.value()


async def _figures(window: Window, hub: Hub) -> Figures:
    return await hub.figures.window(window)
