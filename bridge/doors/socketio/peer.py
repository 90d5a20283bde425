"""One namespace of one Socket.IO connection, as the session sees it.

It turns frames of the hub into packets and packets into frames for the hub.
"""

import asyncio
import itertools
import logging
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from bridge import handshake
from bridge.doors.socketio import asking, telling
from bridge.doors.socketio.answers import Answers
from bridge.doors.socketio.packets import Packet, event_packet
from bridge.doors.socketio.requests import Asked, Requests
from ipc.hub.session import Session
from ipc.protocol import codec
from ipc.protocol.codes import CloseCode, ErrorCode, may_reconnect
from ipc.protocol.errors import LOST, BadMessageError, ConnectionClosedError, IPCError, error_from_code
from ipc.protocol.messages import (
    AnyServerMessage,
    Error,
    Notice,
    Ok,
    ServerCall,
    ServerCancel,
    ServerPing,
    ServerPong,
    ServerReply,
    Welcome,
)

if TYPE_CHECKING:
    from bridge.doors.socketio.engine import EngineConnection
    from ipc.hub.hub import Hub

logger = logging.getLogger(__name__)

MAX_HELD: Final = 32_000
"""How many deliveries a session can hold: 32 groups with a credit of 1000."""
MAX_FIRST_NUMBER: Final = 2**40
"""Where the numbers of a session's callbacks may begin: far enough apart to tell sessions by, short enough to send."""
_EVENT: Final = '{"type":"event"'
_DELIVERY: Final = ',"delivery":"'


class NamespacePeer:
    """The peer of one session.

    Args:
        connection: the Engine.IO connection that it is on.
        namespace: as the client has spelled it.
        bodies: of the events that are on their way to the sockets of this process.
        leave: tells the library that the namespace is left, and so the client.

    """

    def __init__(
        self, connection: "EngineConnection", namespace: str, bodies: telling.EventBodies, leave: Callable[[], Any]
    ) -> None:
        self.namespace = namespace
        self.connection = connection
        self.is_open = asyncio.Event()
        self.subscribed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the hub has answered the door's own ``subscribe``; an exception if it has refused it."""
        self._bodies = bodies
        self._leave = leave
        self._hub: Hub | None = None
        self._session: Session | None = None
        self._welcome: Welcome | None = None
        self._awaited = ""
        self._numbers = itertools.count(1)
        self._requests = Requests()
        # A listener that answers when the connection has been lost answers by the next one, which is another session:
        # what it says must not be taken for the answer to something that this one has sent.
        self._answerable = itertools.count(secrets.randbelow(MAX_FIRST_NUMBER))
        self._answers = Answers(namespace, self._requests)
        self._early: list[str] = []
        self._deliveries: dict[int, str] = {}
        self._calls: dict[int, str] = {}
        self._reported: dict[str, str] = {}

    @property
    def session(self) -> Session:
        """The session, once it is attached."""
        assert self._session is not None  # noqa: S101 - attached before anything else is done with it
        return self._session

    @property
    def hub(self) -> "Hub":
        """The hub that it is attached to."""
        assert self._hub is not None  # noqa: S101 - as above
        return self._hub

    async def attach(self, hub: "Hub", session: Session, subscribe: dict[str, Any] | None) -> None:
        """Take the session, and subscribe it to what it hears from the beginning.

        Raises:
            IPCError: the hub has refused that.
            RefusedError: the session was closed before the hub could answer.
            ConnectionClosedError: the client has gone before it did.

        """
        self._hub, self._session = hub, session
        if subscribe is None:
            self.subscribed.set_result(None)
        else:
            self._awaited = self._next_id()
            await hub.receive(session, codec.encode_json({"type": "subscribe", "id": self._awaited, **subscribe}))
        await self.subscribed
        if self.connection.closed:
            raise _gone()

    def leave(self) -> None:
        """Take note that the client is not on the namespace any more."""
        self.fail(_gone())

    def fail(self, error: Exception) -> bool:
        """Let nobody wait any more for the session to begin; tell whether anybody did."""
        if self.subscribed.done():
            return False
        self.subscribed.set_exception(error)
        # Whoever waited may have been cancelled meanwhile.
        self.subscribed.exception()
        return True

    # From the hub

    async def send(self, frame: str) -> None:
        """Send what the hub says, and wait until it has been written."""
        texts, self._early = self._early, []
        prefix = f"42{self.namespace},"
        bodies = self._bodies
        for line in frame.split("\n"):
            if line.startswith(_EVENT):
                texts.append(self._delivery(line) if _DELIVERY in line else prefix + bodies.of(line))
            elif not (line.startswith(telling.OK) and self._answers.acknowledge(line, texts)):
                for message in codec.decode_server_frame(line):
                    self._tell(message, texts)
        if not self.subscribed.done():
            # What opens the session comes later, in a frame that is not sent before this one.
            self._early = texts
            return
        if not texts:
            return
        if not self.is_open.is_set():
            await self.is_open.wait()
        await self.connection.carry(texts)

    async def close(self, code: int, reason: str) -> None:
        """Say why and close: the namespace if coming back is no use, else the connection, so that it does come back."""
        close_code = CloseCode(code)
        if self.fail(handshake.ended_before(close_code, reason)) and not may_reconnect(code):
            # The namespace was not joined yet, and is refused.
            return
        notice = {"notice": "closed", "code": int(code), "error": close_code.name, "message": reason}
        notice |= {"reconnect": may_reconnect(code)}
        text = self._event("ipc:notice", notice)
        if may_reconnect(code) or not self.is_open.is_set():
            await self.connection.shut(code, reason, [text] if self.is_open.is_set() else [])
        else:
            await self.connection.dismiss([text], self._leave)

    def _delivery(self, line: str) -> str:
        event = telling.delivery_of(line)
        if event.delivery is None:
            return f"42{self.namespace},{self._bodies.of(line)}"
        number = next(self._answerable)
        if len(self._deliveries) >= MAX_HELD:
            # Expired long ago: the hub hands out no more than this.
            del self._deliveries[next(iter(self._deliveries))]
        self._deliveries[number] = event.delivery
        return event_packet(self.namespace, telling.event_body(event), number)

    def _tell(self, message: AnyServerMessage, texts: list[str]) -> None:
        match message:
            case Ok() | Error() | ServerReply() | ServerPong() if message.id == self._awaited and self._awaited:
                self._awaited = ""
                self._began(message, texts)
            case Ok() | Error() | ServerReply() | ServerPong():
                self._answers.answer(message, texts)
            case ServerPing():
                self._heartbeat(message, texts)
            case ServerCall():
                number = next(self._answerable)
                self._calls[number] = message.id
                texts.append(event_packet(self.namespace, telling.call_body(message), number))
            case ServerCancel():
                self._calls = {number: call for number, call in self._calls.items() if call != message.id}
                texts.append(self._event("ipc:cancel", {"id": message.id}))
            case Welcome():
                self._welcome = message
                if self.subscribed.done():
                    texts.append(event_packet(self.namespace, telling.welcome_body(message, None)))
            case Notice():
                texts.append(event_packet(self.namespace, telling.notice_body(message)))

    def _began(self, message: Any, texts: list[str]) -> None:
        if self.subscribed.done():
            return
        if isinstance(message, Error):
            retry_after_ms = message.retry_after_ms if isinstance(message.retry_after_ms, int) else None
            self.fail(error_from_code(message.code, message.message, retry_after_ms=retry_after_ms))
            return
        self.subscribed.set_result(None)
        if self._welcome is not None:
            texts.insert(0, event_packet(self.namespace, telling.welcome_body(self._welcome, message)))

    def _heartbeat(self, message: ServerPing, texts: list[str]) -> None:
        """Ask by Engine.IO's own ping, which every client answers when it comes to it in its reading."""
        if message.positions is not None and message.positions != self._reported:
            self._reported = message.positions
            texts.append(self._event("ipc:positions", message.positions))
        texts.append(self.connection.ping(lambda: self.session.confirm(message.sent)))

    def _event(self, name: str, argument: Any) -> str:
        return event_packet(self.namespace, telling.own_body(name, argument))

    # From the client

    async def hear(self, packet: Packet) -> None:
        """Hand an event of the client to the hub; returns when the client may send more."""
        if self.session.is_closed:
            return
        if (emit := asking.emit_of(packet.body)) is not None:
            await self.hub.receive(self.session, self._emit(emit, packet.number, self._next_id()))
            return
        try:
            name, argument = asking.event_of(packet.body)
        except BadMessageError as error:
            self.break_off(error)
            return
        request_id = self._next_id()
        try:
            request_id = asking.call_id_of(name, argument) or request_id
            if name == asking.EMIT:
                message = self._emit(asking.asked_emit(argument), packet.number, request_id)
            elif name == asking.CANCEL:
                message = asking.cancel_message(request_id)
            else:
                self._requests.expect(request_id, Asked(name, packet.number))
                message = asking.message_of(name, argument, request_id).encode()
        except IPCError as error:
            self.refuse(error, request_id, name, packet.number)
            return
        await self.hub.receive(self.session, message)

    async def hear_answer(self, packet: Packet) -> None:
        """Hand to the hub what a listener's callback was called with; what nobody waits for is passed over."""
        if self.session.is_closed or packet.number is None:
            return
        delivery = self._deliveries.pop(packet.number, None)
        call = self._calls.pop(packet.number, None)
        try:
            arguments = asking.arguments_of(packet.body)
            if delivery is not None:
                await self.hub.receive(self.session, asking.acknowledgement(delivery, arguments))
            elif call is not None:
                await self.hub.receive(self.session, asking.reply(call, arguments))
        except BadMessageError as error:
            self.break_off(error)

    def refuse(self, error: IPCError, request_id: str, name: str, number: int | None) -> None:
        """Answer a request that the hub is not asked."""
        self.hub.counters.refuse(self.session.service, error.code)
        if request_id not in self._requests:
            self._requests.expect(request_id, Asked(name, number))
        self.session.refuse(error, request_id)

    def refuse_binary(self, packet: Packet) -> None:
        """Refuse a packet with binary attachments, which JSON has no form for."""
        if self.session.is_closed:
            return
        error = BadMessageError(
            "events are JSON and carry no Buffer, ArrayBuffer or Blob: send it as base64 in a string",
            code=ErrorCode.INVALID_DATA,
        )
        self.refuse(error, self._next_id(), "", packet.number)

    def break_off(self, error: IPCError) -> None:
        """Close the session because of a packet that cannot be taken apart."""
        self.hub.counters.refuse(self.session.service, error.code)
        self.session.refuse(error)
        too_large = error.code is ErrorCode.FRAME_TOO_LARGE
        self.session.close(CloseCode.TOO_LARGE if too_large else CloseCode.BAD_FRAME, error.message)

    def _emit(self, asked: asking.AskedEmit, number: int | None, request_id: str) -> bytes:
        given = asked.id if isinstance(asked.id, str) else None
        if number is None and not asked.wants_ack:
            return asking.emit_message(asked, given, is_awaited=False)
        self._requests.expect(given or request_id, Asked(asking.EMIT, number, asked))
        return asking.emit_message(asked, given or request_id, is_awaited=True)

    def _next_id(self) -> str:
        # Unique in the mesh, since the id of an emit is also what drops its repeats.
        return f"{self.session.id}.{next(self._numbers)}"


def _gone() -> ConnectionClosedError:
    return ConnectionClosedError(LOST, "the client went away before its session had begun")
