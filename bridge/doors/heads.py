"""uvicorn's HTTP protocol, with bounds for the heads of requests: ``--http bridge.doors.heads:HeadProtocol``.

uvicorn's own one on httptools keeps headers of any number and size, and waits for their end for as long as the
connection is open: a stranger could fill its memory, or all of its sockets, before any token is looked at.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD: Final = 64 * 1024
"""Bytes of a head, as many as uvicorn takes on h11; those that came together with the request before do not count."""
HEAD_TIMEOUT_S: Final = 10.0


class HeadProtocol(HttpToolsProtocol):
    """One connection of uvicorn's, whose requests begin in time and with heads of a bounded size."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # Bytes of a head that is not complete yet, and when it has to be.
        self._head = 0
        self._due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._settle_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come, unless the head that it belongs to has become too large."""
        expected = self._due
        super().data_received(data)
        if expected is None or expected is not self._due:
            return
        self._head += len(data)
        if self._head > MAX_HEAD and not self.transport.is_closing():
            self.logger.warning("A request with more than %d bytes of headers was refused.", MAX_HEAD)
            self.send_400_response("Too many headers.")

    def on_message_begin(self) -> None:
        """Hear of the first bytes of a request."""
        super().on_message_begin()
        if self._due is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """Hear that a head is complete."""
        self._settle_head()
        super().on_headers_complete()

    def _expect_head(self) -> None:
        self._head = 0
        self._due = self.loop.call_later(HEAD_TIMEOUT_S, self._too_late)

    def _settle_head(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _too_late(self) -> None:
        self._due = None
        if not self.transport.is_closing():
            self.transport.close()
