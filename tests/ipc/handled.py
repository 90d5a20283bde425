"""What the handler of a test was given, and a gate that makes it wait."""

import asyncio
from typing import Any

from tests.ipc.peers import GUARD_S


class Handled:
    """Keeps what a handler was given; while its gate is closed, the handler waits in its first event."""

    def __init__(self) -> None:
        self.data: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._changed = asyncio.Event()

    async def __call__(self, data: Any) -> None:
        await self.gate.wait()
        # As any real handler does: everybody else gets a turn in between.
        await asyncio.sleep(0)
        self.data.append(data)
        self._changed.set()

    async def count(self, count: int) -> list[Any]:
        async with asyncio.timeout(GUARD_S):
            while len(self.data) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.data
