"""The other end of a session in a test's hand: what was sent to it, and whether it reads."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

GUARD_S = 20.0

Message = dict[str, Any]


class RecordingPeer:
    """Keeps what it is sent; `stop_reading` makes it a peer that takes nothing more."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.messages: list[Message] = []
        self.closed: tuple[int, str] | None = None
        self.on_ping: Callable[[Message], Awaitable[None]] | None = None
        self._reads = asyncio.Event()
        self._reads.set()
        self._changed = asyncio.Event()

    def stop_reading(self) -> None:
        self._reads.clear()

    def read_on(self) -> None:
        self._reads.set()

    async def send(self, frame: str) -> None:
        await self._reads.wait()
        self.frames.append(frame)
        messages = [json.loads(line) for line in frame.split("\n")]
        self.messages += messages
        self._changed.set()
        for message in messages:
            if message["type"] == "ping" and self.on_ping is not None:
                await self.on_ping(message)

    async def close(self, code: int, reason: str) -> None:
        self.closed = (code, reason)
        self._changed.set()

    @property
    def events(self) -> list[Message]:
        return [message for message in self.messages if message["type"] == "event"]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something that only a frame or the close can bring about is true."""
        async with asyncio.timeout(GUARD_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def close_code(self) -> int:
        await self.until(lambda: self.closed is not None)
        assert self.closed is not None
        return self.closed[0]
