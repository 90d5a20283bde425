"""The native door: a Channels consumer that reads its socket itself.

Channels' own dispatch runs two tasks and a lookup by name for each message, and gives each socket a channel in the
layer. Here the socket has neither: the hub's one channel serves the process. Measured with an echo on one machine,
that is eight to ten times as many messages per second.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from channels.consumer import AsyncConsumer

from bridge import handshake
from bridge.doors.extensions import READING, Send, limit_reading
from bridge.doors.strangers import STRANGER_BYTES, STRANGER_FRAME_BYTES, strangers
from bridge.handshake import RefusedError
from ipc.django_app.conf import conf
from ipc.django_app.runtime import current_hub
from ipc.hub.draining import send_away
from ipc.hub.hub import Hub
from ipc.hub.requests import Messages
from ipc.hub.session import Session
from ipc.protocol import codec
from ipc.protocol.codes import CloseCode, close_reason
from ipc.protocol.errors import BadMessageError
from ipc.protocol.messages import Auth
from ipc.tracing.steps import attending

logger = logging.getLogger(__name__)

SUBPROTOCOL = "exprsn.ipc.v1"
CLOSE_TIMEOUT_S = 10.0

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]


class NativeConsumer(AsyncConsumer):
    """One socket of the native protocol at ``/ipc/<service>``."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # type: ignore[override]  # plain ASGI
        """Let the socket in or refuse it, and carry its frames until it is gone."""
        if (await receive())["type"] != "websocket.connect":
            return
        offered = SUBPROTOCOL in scope.get("subprotocols", ())
        await send({"type": "websocket.accept", "subprotocol": SUBPROTOCOL if offered else None})
        peer = _SocketPeer(send, asyncio.current_task())
        try:
            hub, session, rest = await self._admit(scope, receive, send, peer)
        except RefusedError as refused:
            handshake.count_refusal(refused, handshake.name_in(scope))
            await peer.refuse(refused)
            return
        except _Gone:
            return
        try:
            with attending(session.id):
                await self._carry(hub, session, rest, receive)
        except asyncio.CancelledError:
            if not peer.is_dropped:
                raise

    async def _admit(
        self, scope: Scope, receive: Receive, send: Send, peer: "_SocketPeer"
    ) -> tuple[Hub, Session, Messages]:
        """Let the socket in, and return what came in one frame with its proof, too."""
        rest: Messages = []
        headers, client = dict(scope["headers"]), scope.get("client")
        handshake.check_origin(headers)
        service = handshake.service_of(scope)
        handshake.check_address(scope.get("query_string", b""))
        # Who shows a token is held to it, also where none would be needed.
        token = handshake.bearer_of(scope["headers"])
        identity = handshake.bypassed_identity(service, client, headers) if token is None else None
        if identity is None:
            if token is None:
                with strangers.enter(client):
                    await limit_reading(scope, send, STRANGER_BYTES)
                    token, rest = await self._token_said(receive)
            by = client[0] if client else "unknown"
            identity = await handshake.identity_from_token(token, service=service, by=by)
        hub = current_hub()
        if hub is None or hub.is_draining:
            raise handshake.not_running(is_proved=True)
        await limit_reading(scope, send, None)
        return hub, handshake.attached(hub, peer, identity, handshake.origin_of(headers, client)), rest

    async def _token_said(self, receive: Receive) -> tuple[str, Messages]:
        """Return the token of the first message, and what came in one frame with it."""
        limits = conf.limits()
        limits = replace(limits, frame_bytes=min(limits.frame_bytes, STRANGER_FRAME_BYTES))
        try:
            async with asyncio.timeout(limits.auth_timeout_ms / 1000):
                message = await receive()
        except TimeoutError:
            raise handshake.auth_timed_out(limits.auth_timeout_ms) from None
        if message["type"] == READING:
            raise handshake.frame_refused(codec.frame_too_large(limits))
        if message["type"] != "websocket.receive":
            raise _Gone
        try:
            first, *rest = codec.decode_client_frame(message.get("text") or "", limits)
        except codec.FrameError as error:
            raise handshake.frame_refused(error) from None
        if not isinstance(first, Auth):
            raise handshake.auth_missing()
        return first.token, rest

    async def _carry(self, hub: Hub, session: Session, rest: Messages, receive: Receive) -> None:
        try:
            if rest:
                await hub.carry_out(session, rest)
            while (message := await receive())["type"] == "websocket.receive":
                text = message.get("text")
                if text is None:
                    session.refuse(BadMessageError("frames are text, this one is binary"))
                    session.close(CloseCode.BAD_FRAME, "frames are text")
                elif not session.is_closed:
                    await hub.receive(session, text)
        except asyncio.CancelledError:
            # daphne cancels its applications when it stops, and still sends what they have to say.
            await send_away(session)
            raise
        except Exception:
            logger.exception("the session %s met a bug", session.id)
            session.close(CloseCode.INTERNAL, "internal error, reconnect")
            await session.closed()
        finally:
            await hub.detach(session)


class _SocketPeer:
    """A socket as the session sees it.

    Args:
        send: the server's.
        application: the task that serves the socket; the server drops the connection when it ends.

    """

    def __init__(self, send: Send, application: "asyncio.Task[Any] | None") -> None:
        self.is_dropped = False
        self._send = send
        self._application = application

    async def send(self, frame: str) -> None:
        try:
            await self._send({"type": "websocket.send", "text": frame})
        except (OSError, RuntimeError) as error:
            # The disconnect is on its way to the reading side; servers differ in what they raise until it is there.
            logger.debug("a frame came too late for its socket: %r", error)

    async def refuse(self, refused: RefusedError) -> None:
        """Say why the socket is not let in, unless it does not read even that, and close it."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self.send(codec.encode_error(refused.error))
        await self.close(refused.close_code, close_reason(refused.error.message))

    async def close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._send({"type": "websocket.close", "code": int(code), "reason": reason})
        except TimeoutError:
            logger.info("a socket that takes nothing, not even %d, is dropped", code)
            self.is_dropped = True
            if self._application not in (None, asyncio.current_task()):
                self._application.cancel()
        except (OSError, RuntimeError) as error:
            logger.debug("the socket was closed already: %r", error)


class _Gone(Exception):  # noqa: N818 - not an error, the peer left
    """The socket went away before it was let in."""
