"""Backpressure for WebSockets under daphne, which would keep in memory whatever a client does not read."""

import asyncio
from typing import Any

from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer  # type: ignore[import-untyped]  # zope has no types


@implementer(IPushProducer)
class Writability:
    """Whether a connection takes more: Twisted says so to the producer that is registered with its transport.

    Twisted's buffer is full at 64 KiB (``FileDescriptor.bufferSize``); what waits for it is the application's to bound.
    """

    def __init__(self, transport: Any) -> None:
        """Take the place of the HTTP channel that the connection began with."""
        self._writable = asyncio.Event()
        self._writable.set()
        transport.unregisterProducer()
        transport.registerProducer(self, True)

    async def wait(self) -> None:
        """Wait until more may be written, or the connection is gone; for how long is the application's to decide."""
        await self._writable.wait()

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Hear that the buffer is full."""
        self._writable.clear()

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Hear that the buffer is empty."""
        self._writable.set()

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Hear that the connection is gone: nobody waits for that any longer."""
        self._writable.set()
