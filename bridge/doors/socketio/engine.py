"""One Engine.IO connection: the library's socket with readers and a writer of our own.

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

from bridge import handshake
from bridge.doors.extensions import Send
from bridge.doors.socketio.outgoing import Outgoing
from bridge.doors.socketio.packets import MalformedError
from bridge.doors.socketio.polling import PollingTransport, Ready
from bridge.doors.socketio.websocket import NORMAL, Receive, WebsocketTransport, close_websocket
from bridge.doors.strangers import STRANGER_BYTES, Visit
from bridge.handshake import RefusedError
from ipc.protocol.codes import CloseCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.services import SERVICES

if TYPE_CHECKING:
    from bridge.doors.socketio.peer import NamespacePeer
    from bridge.doors.socketio.server import EngineServer

logger = logging.getLogger(__name__)

PING: Final = "2"
PONG: Final = "3"
MESSAGE: Final = "4"
BINARY: Final = "b"
FLUSH_TIMEOUT_S: Final = 2.0
MAX_REFUSED_JOINS: Final = 2 * len(SERVICES)
"""As many as there are namespaces, for a connection that has no session."""
MAX_UNAWAITED_BYTES: Final = 64 * 1024
"""What the library may have to say to a client that does not read: several answers to each namespace."""


class EngineConnection(AsyncSocket):  # type: ignore[misc]  # the library has no types
    """One connection, with the namespaces that its client has joined."""

    server: "EngineServer"
    connected: bool
    upgraded: bool
    closed: bool

    def __init__(self, server: "EngineServer", sid: str, visit: Visit) -> None:
        super().__init__(server, sid)
        self._visit = visit
        self.peers: dict[str, NamespacePeer] = {}
        self.attachments_due = 0
        """How many binary messages of a refused packet are still to come."""
        self.outgoing = Outgoing()
        """What waits to be written."""
        self.ended = asyncio.Event()
        self._polling = PollingTransport(self, self.outgoing)
        self._pongs: deque[Callable[[], None]] = deque()
        self._websocket: WebsocketTransport | None = None
        self._is_ending = False
        self._refused_joins = 0
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
        """Send a packet of the library's, which waits for nobody to read what it has said before."""
        if self.closed:
            raise exceptions.SocketIsClosedError
        text = pkt.encode()
        if self.outgoing.unawaited + len(text) > MAX_UNAWAITED_BYTES:
            self._end(CloseCode.TOO_SLOW, "answers to joining and leaving namespaces are not read")
        else:
            self.outgoing.put([text])

    def schedule_ping(self) -> None:
        """Leave the pings to the hub's heartbeat."""

    # Its requests

    async def handle_get_request(self, request: dict[str, Any]) -> Any:
        """Answer a poll when there is something to say, or make the connection a websocket."""
        if request["asgi.scope"]["type"] == "websocket":
            return await self._upgrade_websocket(request)
        if self.upgrading or self.upgraded:
            return [EnginePacket(NOOP)]
        return await self._polling.poll(request["asgi.receive"])

    async def poll(self) -> list[Ready]:
        """Return what there is to say at once."""
        return await self._polling.poll()

    async def handle_post_request(self, request: dict[str, Any]) -> None:
        """Take the packets of a request.

        Raises:
            ContentTooLongError: it is too long and no session can be told.

        """
        await self._polling.take(request)

    async def _upgrade_websocket(self, request: dict[str, Any]) -> Any:
        if self.upgraded or self.upgrading:
            return self.server._bad_request("the connection is a websocket already")
        receive, send = request["asgi.receive"], request["asgi.send"]
        await send({"type": "websocket.accept"})
        # The connection may have ended while its websocket was probed.
        if self.connected and (not await self._is_probed(receive, send) or self.closed):
            await close_websocket(send)
            return ""
        self.connected = self.upgraded = True
        self._websocket = WebsocketTransport(self, self.outgoing, request["asgi.scope"], send)
        if not self.peers:
            await self._websocket.limit_reading(STRANGER_BYTES)
        await self._websocket.serve(receive)
        return ""

    async def _is_probed(self, receive: Receive, send: Send) -> bool:
        """Do what moves a polling client to this websocket, and tell whether it came, and in time."""
        self.upgrading = True
        try:
            async with asyncio.timeout(self.server.auth_timeout_s):
                if (await receive()).get("text") != f"{PING}probe":
                    return False
                await send({"type": "websocket.send", "text": f"{PONG}probe"})
                # Ends the poll that waits.
                self.outgoing.put(["6"])
                return (await receive()).get("text") == "5"
        except (TimeoutError, OSError, RuntimeError):
            # Too late, or gone; servers differ in what they raise then.
            return False
        finally:
            self.upgrading = False

    # What comes

    @property
    def takes_packets(self) -> bool:
        """Whether what the client sends is still looked at."""
        return not (self._is_ending or self.closed)

    async def take(self, text: str) -> None:
        """Take a packet of the client.

        Raises:
            MalformedError: it is none.

        """
        if not self.takes_packets:
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

    def refused_join(self) -> None:
        """Take note that a namespace could not be joined.

        Raises:
            MalformedError: so many could not that the client is trying nothing sensible, and has no session.

        """
        if not self.peers:
            self._refused_joins += 1
        if self._refused_joins > MAX_REFUSED_JOINS:
            raise MalformedError(f"more than {MAX_REFUSED_JOINS} namespaces were refused, and none was joined")

    def malformed(self, error: MalformedError) -> None:
        """Close the connection of a client that sent what is no packet, and take nothing more from it."""
        if self.takes_packets:
            handshake.count_refusal(RefusedError(BadMessageError(str(error)), CloseCode.BAD_FRAME), "")
            self._end(CloseCode.BAD_FRAME, str(error))

    def _end(self, code: CloseCode, reason: str) -> None:
        """Close the connection for what its client has done, and take nothing more from it."""
        if self.takes_packets:
            logger.info("a Socket.IO connection is closed: %s", reason)
            self._is_ending = True
            self._start_shutting(code, reason, [])

    # Ends

    async def let_in(self) -> None:
        """Hear that a session has begun: the client is no stranger any more."""
        self._visit.end()
        if self._websocket is not None:
            await self._websocket.limit_reading(None)

    def await_session(self) -> None:
        """Give the client so long to join a namespace."""
        if self._deadline is not None:
            self._deadline.cancel()
        limit_s = self.server.auth_timeout_s
        self._deadline = asyncio.get_running_loop().call_later(limit_s, self._expire)

    def _expire(self) -> None:
        if not self.peers and self.takes_packets:
            handshake.count_refusal(handshake.auth_timed_out(int(self.server.auth_timeout_s * 1000)), "")
            self._end(CloseCode.AUTH_TIMEOUT, "no namespace was joined in time")

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
        if texts or self._websocket is not None:
            await self._flush(texts)
        if self._websocket is None:
            # Not with the texts: what comes in one payload with the close, socket.io-client forgets.
            await self._flush([str(CLOSE)])
        if self._websocket is None:
            await self.close(reason=self.server.reason.SERVER_DISCONNECT)
        else:
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
        self._visit.end()
        self.server.sockets.pop(self.sid, None)
        self.outgoing.close()
        self.ended.set()
        if self._websocket is not None and self._websocket.is_open:
            # Nobody would hear what comes on it.
            self.server.tasks.start(self._websocket.close(NORMAL, ""), f"close {self.sid}")
        await self.server.ended(self, reason)


def _check_base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise MalformedError(f"an attachment that is no base64: {error}") from error
