"""The library's server with our hub behind it: it knows the protocol's handshakes, and here is what becomes of them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final

import engineio
import msgspec
import socketio
from engineio.packet import OPEN
from engineio.packet import Packet as EnginePacket
from socketio.exceptions import ConnectionRefusedError as RefusedByDoorError

from bridge import handshake
from bridge.doors.socketio import admission, packets
from bridge.doors.socketio.engine import EngineConnection
from bridge.doors.socketio.packets import BINARY, MalformedError
from bridge.doors.socketio.peer import NamespacePeer
from bridge.doors.socketio.telling import EventBodies
from bridge.doors.socketio.websocket import close_websocket
from bridge.doors.strangers import strangers
from bridge.handshake import RefusedError
from ipc.django_app.conf import conf
from ipc.django_app.runtime import current_hub
from ipc.hub.draining import send_away
from ipc.hub.tasks import OwnedTasks
from ipc.protocol.codec import FrameError
from ipc.protocol.codes import CloseCode, ErrorCode
from ipc.protocol.errors import ConnectionClosedError, IPCError

logger = logging.getLogger(__name__)
library_logger = logging.getLogger("bridge.doors.socketio.library")
library_logger.setLevel(logging.ERROR)

PATH: Final = "/socket.io/"
PING_TIMEOUT_S: Final = 20
HEARTBEAT_JITTER: Final = 1.1
"""The hub's heartbeat comes up to a tenth late."""

Application = Callable[[Any, Any, Any], Awaitable[None]]


class EngineServer(engineio.AsyncServer):  # type: ignore[misc]  # the library has no types
    """The library's Engine.IO server, whose connections are ours."""

    sockets: dict[str, EngineConnection]
    max_http_buffer_size: int

    def __init__(self, *, auth_timeout_s: float, door: "SocketIOServer", **options: Any) -> None:
        super().__init__(**options)
        self.auth_timeout_s = auth_timeout_s
        self.tasks = OwnedTasks("socket.io")
        self.take = door.take
        self.too_large = door.too_large
        self.ended = door.ended
        self.send_away = door.send_away

    async def _handle_connect(self, request: dict[str, Any], transport: str, jsonp_index: int | None = None) -> Any:
        """Open a connection: as the library does, with our class, and neither JSONP nor a cookie."""
        if jsonp_index is not None:
            return self._bad_request("JSONP is not offered: use websocket or polling")
        try:
            visit = strangers.enter(request["asgi.scope"].get("client"))
        except RefusedError as refused:
            handshake.count_refusal(refused, "")
            return await _turn_away(request, refused)
        sid = self.generate_id()
        connection = self.sockets[sid] = EngineConnection(self, sid, visit)
        opening = {
            "sid": sid,
            "upgrades": self._upgrades(sid, transport),
            "pingTimeout": int(self.ping_timeout * 1000),
            "pingInterval": int(self.ping_interval * 1000),
            "maxPayload": self.max_http_buffer_size,
        }
        await connection.send(EnginePacket(OPEN, opening))
        await self._trigger_event("connect", sid, request, run_async=False)
        if transport == "websocket":
            return await connection.handle_get_request(request)
        connection.connected = True
        return self._ok(await connection.poll())


class SocketIOServer(socketio.AsyncServer):  # type: ignore[misc]  # the library has no types
    """The library's Socket.IO server: it does the handshakes of namespaces, events pass it by."""

    eio: EngineServer

    def __init__(self) -> None:
        limits = conf.limits()
        super().__init__(
            async_mode="asgi",
            namespaces="*",
            json=packets.MsgspecJSON,
            logger=library_logger,
            engineio_logger=library_logger,
            cors_allowed_origins=_is_own_origin,
            cors_credentials=False,
            http_compression=False,
            max_http_buffer_size=limits.frame_bytes,
            ping_interval=limits.heartbeat_ms * HEARTBEAT_JITTER / 1000,
            ping_timeout=PING_TIMEOUT_S,
            monitor_clients=False,
            auth_timeout_s=limits.auth_timeout_ms / 1000,
        )
        self._bodies = EventBodies()
        self.on("connect", self._admit, namespace="*")
        self.on("disconnect", self._left, namespace="*")

    def _engineio_server_class(self) -> Any:
        return partial(EngineServer, door=self)

    # What comes

    async def take(self, connection: EngineConnection, text: str) -> None:
        """Take a packet of a client.

        Raises:
            MalformedError: it is none.

        """
        kind = text[:1]
        if kind in (packets.EVENT, packets.ACK):
            packet = packets.take_apart(text)
            # One that was refused, or has been dismissed, may have sent more meanwhile.
            if (peer := connection.peers.get(packet.namespace)) is not None:
                await (peer.hear(packet) if kind == packets.EVENT else peer.hear_answer(packet))
        elif kind in BINARY:
            count, packet = packets.attachments_of(text)
            connection.attachments_due += count
            if (peer := connection.peers.get(packet.namespace)) is not None:
                peer.refuse_binary(packet)
        elif kind in (packets.CONNECT, packets.DISCONNECT):
            try:
                await self._handle_eio_message(connection.sid, text)
            except MalformedError:
                raise
            except (ValueError, RecursionError) as error:
                raise MalformedError(f"a packet that cannot be read: {error}") from error
            _stop_if_cancelled()
        else:
            raise MalformedError(f"{text[:20]!r} is no packet that a client of Socket.IO sends")

    def too_large(self, connection: EngineConnection) -> bool:
        """Close the sessions of a connection whose packet is too large; tell whether there are any to be told."""
        limit = self.eio.max_http_buffer_size
        for peer in connection.peers.values():
            peer.break_off(
                FrameError(
                    f"a packet has at most {limit} bytes", code=ErrorCode.FRAME_TOO_LARGE, details={"limit": limit}
                )
            )
        return bool(connection.peers)

    # Who comes and goes

    async def _handle_connect(self, eio_sid: str, namespace: str | None, data: Any) -> None:
        connection = self.eio.sockets.get(eio_sid)
        if connection is None:
            return
        await super()._handle_connect(eio_sid, namespace, data)
        if (peer := connection.peers.get(namespace or "/")) is not None:
            peer.is_open.set()
            await connection.let_in()
        else:
            connection.refused_join()

    async def _admit(self, namespace: str, sid: str, request: Mapping[str, Any], data: Any) -> None:
        connection = self.eio.sockets[self.manager.eio_sid_from_sid(sid, namespace)]
        try:
            await self._attach(connection, namespace, sid, request["asgi.scope"], data)
        except RefusedError as refused:
            handshake.count_refusal(refused, namespace.removeprefix(admission.PREFIX))
            await self._refuse(connection, refused.error, refused.close_code)
        except asyncio.CancelledError:
            # The library would take it for a yes; `take` says it again.
            raise RefusedByDoorError("this bridge is stopping") from None
        except ConnectionClosedError as gone:
            # For the library, which forgets the namespace then.
            raise RefusedByDoorError(gone.message) from None
        except IPCError as error:
            await self._refuse(connection, error, CloseCode.INTERNAL if error.retryable else CloseCode.FORBIDDEN)

    async def _attach(
        self, connection: EngineConnection, namespace: str, sid: str, scope: Mapping[str, Any], data: Any
    ) -> None:
        service, auth = admission.service_of(namespace), admission.auth_of(data)
        identity = await admission.identify(service, scope, auth)
        hub = current_hub()
        if hub is None or hub.is_draining:
            raise handshake.not_running(is_proved=True)
        peer = NamespacePeer(connection, namespace, self._bodies, partial(self.disconnect, sid, namespace=namespace))
        session = handshake.attached(hub, peer, identity, admission.origin_of(scope, auth))
        connection.peers[namespace] = peer
        try:
            await peer.attach(hub, session, admission.first_subscription(identity, auth))
        except BaseException:
            connection.peers.pop(namespace, None)
            await hub.detach(session)
            raise

    async def _refuse(self, connection: EngineConnection, error: IPCError, code: CloseCode) -> None:
        """Refuse a namespace, with the code; who may come back is only disconnected, or it would not.

        Raises:
            ConnectionRefusedError: always, for the library.

        """
        if error.retryable:
            await connection.shut(code, error.message, [])
        said = {"code": error.code, "closeCode": int(code), "retryable": error.retryable}
        raise RefusedByDoorError(error.message, said | ({"details": dict(error.details)} if error.details else {}))

    async def _left(self, namespace: str, sid: str, _reason: str) -> None:
        connection = self.eio.sockets.get(self.manager.eio_sid_from_sid(sid, namespace))
        if connection is not None:
            self._detach(connection, namespace)

    async def ended(self, connection: EngineConnection, reason: str | None) -> None:
        """End all sessions of a connection that is gone."""
        for namespace in list(connection.peers):
            self._detach(connection, namespace)
        await self._handle_eio_disconnect(connection.sid, reason)

    async def send_away(self, connection: EngineConnection) -> None:
        """Send the sessions of a connection away, because this process is stopping."""
        await asyncio.gather(*(send_away(peer.session) for peer in connection.peers.values()))

    def _detach(self, connection: EngineConnection, namespace: str) -> None:
        """End a session beside whoever says so, which may be one of its own tasks."""
        if (peer := connection.peers.pop(namespace, None)) is not None:
            peer.leave()
            self.eio.tasks.start(peer.hub.detach(peer.session), f"detach {peer.session.id}")
        if not connection.peers and not connection.closed:
            connection.await_session()


class SocketIODoor:
    """Where the server is mounted, beside other applications."""

    def __init__(self) -> None:
        self._server = SocketIOServer()

    def beside(self, other: Application) -> Application:
        """Return an application that is this door at its path, and another one everywhere else."""

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["path"].startswith(PATH):
                _count_foreign(scope)
                await self._server.handle_request(scope, receive, send)
            else:
                await other(scope, receive, send)

        return application


async def _turn_away(request: Mapping[str, Any], refused: RefusedError) -> Any:
    """Refuse a connection before it is one: a websocket with the code, whoever polls as Engine.IO does."""
    error = refused.error
    if request["asgi.scope"]["type"] == "websocket":
        await request["asgi.send"]({"type": "websocket.accept"})
        await close_websocket(request["asgi.send"], refused.close_code, error.message)
        return ""
    return {
        "status": str(error.code.http_status),
        "headers": [("Content-Type", "application/json")],
        "response": msgspec.json.encode({"code": error.code, "message": error.message}),
    }


def _stop_if_cancelled() -> None:
    """Go on with a cancellation that the library has kept for itself."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _is_own_origin(_origin: str | None, request: Mapping[str, Any]) -> bool:
    try:
        handshake.check_origin(dict(request["asgi.scope"]["headers"]))
    except RefusedError:
        return False
    return True


def _count_foreign(scope: Mapping[str, Any]) -> None:
    """Count a request of a foreign page; the library asks several times whether it is one."""
    try:
        handshake.check_origin(dict(scope["headers"]))
    except RefusedError as refused:
        handshake.count_refusal(refused, "")
