"""One Engine.IO connection: the library's socket with a reader and a writer of our own.

The library makes two tasks for each packet that comes, keeps what is to be sent without a bound, and hears of a client
that does not read by its silence alone. Here packets are read in a loop, as the native door reads frames; what waits
is bounded by the sessions; and a ping after each MiB says how far the client has read, as on the native door.
"""

import asyncio
import base64
import binascii
import logging
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from engineio import exceptions
from engineio.async_socket import AsyncSocket
from engineio.packet import CLOSE, NOOP
from engineio.packet import Packet as EnginePacket

from bridge.doors.socketio.outgoing import Outgoing
from bridge.doors.socketio.packets import MalformedError
from bridge.doors.socketio.websocket import Receive, Send, WebsocketTransport
from bridge.doors.texts import takes_texts
from ipc.protocol.codes import CloseCode

if TYPE_CHECKING:
    from bridge.doors.socketio.peer import NamespacePeer
    from bridge.doors.socketio.server import EngineServer

logger = logging.getLogger(__name__)

PING: Final = "2"
PONG: Final = "3"
MESSAGE: Final = "4"
BINARY: Final = "b"
SEPARATOR: Final = "\x1e"
FLUSH_TIMEOUT_S: Final = 2.0
PACKETS_A_TURN: Final = 32
"""After so many packets of one request the event loop does what else there is."""


class _Ready:
    """A packet that is text already, as the library's payloads want it."""

    def __init__(self, text: str) -> None:
        self._text = text

    def encode(self, b64: bool = False) -> str:  # noqa: ARG002 - the library's
        return self._text


class EngineConnection(AsyncSocket):  # type: ignore[misc]  # the library has no types
    """One connection, with the namespaces that its client has joined."""

    server: "EngineServer"
    connected: bool
    upgraded: bool
    closed: bool

    def __init__(self, server: "EngineServer", sid: str) -> None:
        super().__init__(server, sid)
        self.peers: dict[str, NamespacePeer] = {}
        self.attachments_due = 0
        """How many binary messages of a refused packet are still to come."""
        self.outgoing = Outgoing()
        """What waits to be written."""
        self._pongs: deque[Callable[[], None]] = deque()
        self._reading = asyncio.Lock()
        self._websocket: WebsocketTransport | None = None
        self._is_ending = False
        self._is_polled = False
        self._deadline: asyncio.TimerHandle | None = None
        self.await_session()

    # What is sent

    async def carry(self, texts: list[str]) -> None:
        """Send messages, and wait until they have been written."""
        await self.outgoing.carry(texts)

    def ping(self, answered: Callable[[], None]) -> str:
        """Return a ping, which is to be sent next; what is called when the client has come to it in its reading."""
        self._pongs.append(answered)
        return PING

    async def send(self, pkt: Any) -> None:
        """Send a packet of the library's."""
        if self.closed:
            raise exceptions.SocketIsClosedError
        self.outgoing.put([pkt.encode()])

    def schedule_ping(self) -> None:
        """Leave the pings to the hub's heartbeat."""

    # Long-polling

    async def handle_get_request(self, request: dict[str, Any]) -> Any:
        """Answer a poll when there is something to say, or make the connection a websocket."""
        if request["asgi.scope"]["type"] == "websocket":
            return await self._upgrade_websocket(request)
        if self.upgrading or self.upgraded:
            return [EnginePacket(NOOP)]
        return await self.poll(request["asgi.receive"])

    async def poll(self, receive: Receive | None = None) -> list[_Ready]:
        """Wait for what is to be said; the connection is gone when the poll is.

        Raises:
            QueueEmpty: it is.

        """
        if self._is_polled:
            raise exceptions.QueueEmpty
        self._is_polled = True
        try:
            if receive is None or self.outgoing or await self._is_asked(receive):
                texts = []
                while self.outgoing:
                    bundle = self.outgoing.take()
                    texts += bundle.texts
                    bundle.done()
                return [_Ready(text) for text in texts or [str(NOOP)]]
        finally:
            self._is_polled = False
        raise exceptions.QueueEmpty

    async def _is_asked(self, receive: Receive) -> bool:
        """Tell whether the client still waits when there is something to say to it."""
        arrival, gone = asyncio.ensure_future(self.outgoing.arrival()), asyncio.ensure_future(receive())
        try:
            await asyncio.wait({arrival, gone}, return_when=asyncio.FIRST_COMPLETED)
            return not gone.done()
        finally:
            arrival.cancel()
            gone.cancel()
            await asyncio.gather(arrival, gone, return_exceptions=True)

    async def handle_post_request(self, request: dict[str, Any]) -> None:
        """Take the packets of a request.

        Raises:
            ContentTooLongError: it is too long and no session can be told.

        """
        length = int(request.get("CONTENT_LENGTH", "0"))
        if length > self.server.max_http_buffer_size:
            if not self.server.too_large(self):
                raise exceptions.ContentTooLongError
            return
        body = await request["wsgi.input"].read(length)
        async with self._reading:
            try:
                for number, text in enumerate(_text(body).split(SEPARATOR), start=1):
                    await self.take(text)
                    if not number % PACKETS_A_TURN:
                        await asyncio.sleep(0)
            except MalformedError as error:
                self.malformed(error)

    # The websocket

    async def _upgrade_websocket(self, request: dict[str, Any]) -> Any:
        if self.upgraded or self.upgrading:
            return self.server._bad_request("the connection is a websocket already")
        receive, send = request["asgi.receive"], request["asgi.send"]
        await send({"type": "websocket.accept"})
        if self.connected and not await self._is_probed(receive, send):
            await send({"type": "websocket.close"})
            return ""
        self.connected = self.upgraded = True
        several = takes_texts(request["asgi.scope"])
        self._websocket = WebsocketTransport(self, self.outgoing, send, takes_texts=several)
        await self._websocket.serve(receive)
        return ""

    async def _is_probed(self, receive: Receive, send: Send) -> bool:
        """Do what moves a polling client to this websocket, and tell whether it came."""
        self.upgrading = True
        try:
            if (await receive()).get("text") != f"{PING}probe":
                return False
            await send({"type": "websocket.send", "text": f"{PONG}probe"})
            # Ends the poll that waits.
            self.outgoing.put(["6"])
            return (await receive()).get("text") == "5"
        finally:
            self.upgrading = False

    # What comes

    async def take(self, text: str) -> None:
        """Take a packet of the client.

        Raises:
            MalformedError: it is none.

        """
        if self._is_ending:
            return
        kind = text[:1]
        if kind == MESSAGE:
            await self.server.take(self, text[1:])
        elif kind == PONG:
            if self._pongs:
                self._pongs.popleft()()
        elif kind == str(CLOSE):
            await self.close(reason=self.server.reason.CLIENT_DISCONNECT)
        elif kind == BINARY:
            _check_base64(text[1:])
            self.take_binary()
        elif kind != str(NOOP):
            raise MalformedError(f"{text[:20]!r} is no packet that a client of Engine.IO sends")

    def take_binary(self) -> None:
        """Pass over a binary message that a refused packet has announced.

        Raises:
            MalformedError: none has.

        """
        if not self.attachments_due:
            raise MalformedError("a binary message that no packet has announced")
        self.attachments_due -= 1

    def malformed(self, error: MalformedError) -> None:
        """Close the connection of a client that sent what is no packet, and take nothing more from it."""
        logger.info("a Socket.IO connection is closed: %s", error)
        if not self._is_ending:
            self._start_shutting(CloseCode.BAD_FRAME, str(error), [])
        self._is_ending = True

    # Ends

    def await_session(self) -> None:
        """Give the client so long to join a namespace."""
        if self._deadline is not None:
            self._deadline.cancel()
        limit_s = self.server.auth_timeout_s
        self._deadline = asyncio.get_running_loop().call_later(limit_s, self._expire)

    def _expire(self) -> None:
        if not self.peers and not self.closed:
            self._start_shutting(CloseCode.AUTH_TIMEOUT, "no namespace was joined in time", [])

    async def dismiss(self, texts: list[str], leave: Callable[[], Any]) -> None:
        """Say something and leave a namespace; the client does not come back by itself."""
        await asyncio.wait([self.server.tasks.start(self._dismiss(texts, leave), f"dismiss {self.sid}")])

    async def _dismiss(self, texts: list[str], leave: Callable[[], Any]) -> None:
        await self._flush(texts)
        await leave()
        await self._flush([])

    async def shut(self, code: int, reason: str, texts: list[str]) -> None:
        """Say something and close the connection; a client comes back by itself."""
        # Its sessions end with it, and what runs for them: this must not.
        await asyncio.wait([self._start_shutting(code, reason, texts)])

    def _start_shutting(self, code: int, reason: str, texts: list[str]) -> "asyncio.Task[None]":
        return self.server.tasks.start(self._shut(code, reason, texts), f"close {self.sid}")

    async def _shut(self, code: int, reason: str, texts: list[str]) -> None:
        if self.closed:
            return
        if self._websocket is None:
            if texts:
                # What comes in one payload with the close, socket.io-client forgets.
                await self._flush(texts)
            await self._flush([str(CLOSE)])
            await self.close(reason=self.server.reason.SERVER_DISCONNECT)
            return
        await self._flush(texts)
        await self._websocket.close(code, reason)

    async def _flush(self, texts: list[str]) -> None:
        try:
            async with asyncio.timeout(FLUSH_TIMEOUT_S):
                await self.outgoing.carry(texts)
        except TimeoutError:
            logger.debug("a client that does not read is not told why it is closed")

    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:  # noqa: ARG002 - the library's
        """Forget the connection and end its sessions."""
        if self.closed:
            return
        self.closing = self.closed = True
        if self._deadline is not None:
            self._deadline.cancel()
        self.server.sockets.pop(self.sid, None)
        self.outgoing.close()
        await self.server.ended(self, reason)


def _text(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise MalformedError(f"a request that is no UTF-8: {error}") from error


def _check_base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise MalformedError(f"an attachment that is no base64: {error}") from error
