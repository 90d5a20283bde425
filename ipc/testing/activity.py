"""Knowing when nothing goes on any more: every frame that moves an event on in a test is counted here."""

import asyncio
from typing import Final

from ipc.transports.base import Transport

# Between two frames an event takes less than ten passes of the loop, none of which waits for anything.
QUIET_PASSES: Final = 30


class Activity:
    """Counts frames."""

    def __init__(self) -> None:
        self.frames = 0

    def moved(self) -> None:
        """Take note of a frame."""
        self.frames += 1

    async def quiet(self) -> None:
        """Wait until nothing moves on by itself; what a handler waits for is not known here."""
        passes, frames = 0, self.frames
        while passes < QUIET_PASSES:
            await asyncio.sleep(0)
            passes, frames = (passes + 1, frames) if frames == self.frames else (0, self.frames)


class CountedTransport:
    """A transport whose frames are counted."""

    def __init__(self, transport: Transport, activity: Activity) -> None:
        self._transport = transport
        self._activity = activity

    async def connect(self) -> None:
        """Open the session."""
        await self._transport.connect()

    async def send(self, frame: str) -> None:
        """Send a frame."""
        self._activity.moved()
        await self._transport.send(frame)

    async def receive(self) -> str:
        """Wait for the next frame."""
        frame = await self._transport.receive()
        self._activity.moved()
        return frame

    async def close(self) -> None:
        """Leave."""
        await self._transport.close()

    async def aclose(self) -> None:
        """Leave for good."""
        await self._transport.aclose()
