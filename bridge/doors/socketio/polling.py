"""The requests of an Engine.IO client that polls: some bring packets, one waits for what is to be said."""

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

from engineio import exceptions
from engineio.packet import NOOP

from bridge.doors.socketio.outgoing import Outgoing
from bridge.doors.socketio.packets import MalformedError
from bridge.doors.socketio.websocket import Receive

if TYPE_CHECKING:
    from bridge.doors.socketio.engine import EngineConnection

SEPARATOR: Final = "\x1e"
PACKETS_A_TURN: Final = 32
"""After so many packets of one request the event loop does what else there is."""


class Ready:
    """A packet that is text already, as the library's payloads want it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def encode(self, b64: bool = False) -> str:  # noqa: ARG002 - the library's
        """Return its text."""
        return self._text


class PollingTransport:
    """The long-polling of a connection.

    Args:
        connection: takes what comes.
        outgoing: has what is to be said.

    """

    def __init__(self, connection: "EngineConnection", outgoing: Outgoing) -> None:
        self._connection = connection
        self._outgoing = outgoing
        self._reading = asyncio.Lock()
        self._is_polled = False

    async def poll(self, receive: Receive | None = None) -> list[Ready]:
        """Wait for what is to be said; the connection is gone when the poll is.

        Raises:
            QueueEmpty: it is.

        """
        if self._is_polled:
            raise exceptions.QueueEmpty
        self._is_polled = True
        try:
            if receive is None or self._outgoing or await self._is_asked(receive):
                return self._said()
        finally:
            self._is_polled = False
        raise exceptions.QueueEmpty

    async def take(self, request: dict[str, Any]) -> None:
        """Take the packets of a request, as long as the connection takes any.

        Raises:
            ContentTooLongError: it is too long and no session can be told.

        """
        connection = self._connection
        length = int(request.get("CONTENT_LENGTH", "0"))
        if length > connection.server.max_http_buffer_size:
            if not connection.server.too_large(connection):
                raise exceptions.ContentTooLongError
            return
        body = await self._while_connected(request["wsgi.input"].read(length))
        async with self._reading:
            try:
                for number, text in enumerate(_text(body).split(SEPARATOR), start=1):
                    if not connection.takes_packets:
                        return
                    await connection.take(text)
                    if not number % PACKETS_A_TURN:
                        await asyncio.sleep(0)
            except MalformedError as error:
                connection.malformed(error)

    async def _while_connected(self, reading: Awaitable[bytes]) -> bytes:
        """Read a body, which has to have come before the connection ends: that has its deadlines."""
        arrival, gone = asyncio.ensure_future(reading), asyncio.ensure_future(self._connection.ended.wait())
        try:
            await asyncio.wait({arrival, gone}, return_when=asyncio.FIRST_COMPLETED)
            return arrival.result() if arrival.done() else b""
        finally:
            arrival.cancel()
            gone.cancel()
            await asyncio.gather(arrival, gone, return_exceptions=True)

    def _said(self) -> list[Ready]:
        texts = []
        while self._outgoing:
            bundle = self._outgoing.take()
            texts += bundle.texts
            bundle.done()
        return [Ready(text) for text in texts or [str(NOOP)]]

    async def _is_asked(self, receive: Receive) -> bool:
        """Tell whether the client still waits when there is something to say to it."""
        arrival, gone = asyncio.ensure_future(self._outgoing.arrival()), asyncio.ensure_future(receive())
        try:
            await asyncio.wait({arrival, gone}, return_when=asyncio.FIRST_COMPLETED)
            return not gone.done()
        finally:
            arrival.cancel()
            gone.cancel()
            await asyncio.gather(arrival, gone, return_exceptions=True)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"a request that is no UTF-8: {error}") from error
