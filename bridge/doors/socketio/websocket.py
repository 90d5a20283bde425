"""The websocket of an Engine.IO connection: one task reads its packets, another writes what waits."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from bridge.doors.extensions import READING, SEND_TEXTS, Send, limit_reading, takes_texts
from bridge.doors.socketio.outgoing import Outgoing
from bridge.doors.socketio.packets import MalformedError
from ipc.protocol.codec import utf8_size
from ipc.protocol.codes import CloseCode, close_reason

if TYPE_CHECKING:
    from bridge.doors.socketio.engine import EngineConnection

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S: Final = 10.0
NORMAL: Final = 1000
"""The code of a websocket that has done what it was for (RFC 6455 section 7.4.1)."""

Receive = Callable[[], Awaitable[dict[str, Any]]]


class WebsocketTransport:
    """A websocket that has been accepted.

    Args:
        connection: takes what comes.
        outgoing: has what is to be written.
        scope: the server's.
        send: the server's.

    """

    def __init__(
        self, connection: "EngineConnection", outgoing: Outgoing, scope: Mapping[str, Any], send: Send
    ) -> None:
        self._connection = connection
        self._outgoing = outgoing
        self._scope = scope
        self._send = send
        self.is_open = True
        """Whether it is neither gone nor being closed."""
        self._takes_texts = takes_texts(scope)
        self._application = asyncio.current_task()
        self._is_dropped = False
        self._writer = asyncio.create_task(self._write(), name=f"socket.io {connection.sid}")

    async def limit_reading(self, limit: int | None) -> None:
        """Read so many bytes more, None for all that come, where the server can do that."""
        await limit_reading(self._scope, self._send, limit)

    async def serve(self, receive: Receive) -> None:
        """Carry packets until the connection is gone."""
        connection = self._connection
        try:
            await self._read(receive)
        except asyncio.CancelledError:
            if self._is_dropped:
                return
            # daphne cancels its applications when it stops, and still sends what they have to say.
            await connection.server.send_away(connection)
            raise
        except Exception:
            logger.exception("a Socket.IO connection met a bug")
            await connection.shut(CloseCode.INTERNAL, "internal error, reconnect", [])
        finally:
            self.is_open = False
            self._writer.cancel()
            await asyncio.wait([self._writer])
            await connection.close(reason=connection.server.reason.TRANSPORT_CLOSE)

    async def close(self, code: int, reason: str) -> None:
        """Close it with a code; one that takes not even that is dropped in time."""
        if not self.is_open:
            return
        self.is_open = False
        self._writer.cancel()
        self._outgoing.close()
        if not await close_websocket(self._send, code, reason):
            logger.info("a Socket.IO client that takes nothing, not even %d, is dropped", code)
            self._is_dropped = True
            if self._application is not None:
                self._application.cancel()

    async def _read(self, receive: Receive) -> None:
        connection = self._connection
        limit = connection.server.max_http_buffer_size
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            try:
                if text is None:
                    connection.take_binary()
                elif len(text) * 4 > limit and utf8_size(text) > limit:
                    if not connection.server.too_large(connection):
                        await connection.shut(CloseCode.TOO_LARGE, f"a packet has at most {limit} bytes", [])
                else:
                    await connection.take(text)
            except MalformedError as error:
                connection.malformed(error)
        if message["type"] == READING:
            await connection.shut(CloseCode.TOO_LARGE, "more was sent than a namespace takes to join", [])

    async def _write(self) -> None:
        outgoing, send = self._outgoing, self._send
        while True:
            await outgoing.arrival()
            if not outgoing:
                return
            bundle = outgoing.take()
            try:
                if self._takes_texts:
                    await send({"type": SEND_TEXTS, "texts": bundle.texts})
                    continue
                for text in bundle.texts:
                    await send({"type": "websocket.send", "text": text})
            except (OSError, RuntimeError) as error:
                # The disconnect is on its way to the reading side; servers differ in what they raise until it is there.
                logger.debug("a packet came too late for its socket: %r", error)
            finally:
                bundle.done()


async def close_websocket(send: Send, code: int = NORMAL, reason: str = "") -> bool:
    """Close a websocket with a code; tell whether it took that in time, or was closed already."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await send({"type": "websocket.close", "code": int(code), "reason": close_reason(reason)})
    except TimeoutError:
        return False
    except (OSError, RuntimeError) as error:
        logger.debug("the socket was closed already: %r", error)
    return True
