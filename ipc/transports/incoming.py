"""What comes to a link: the welcome, and then each message goes to whom it concerns."""

import asyncio
import logging

from ipc.protocol import codec
from ipc.protocol.errors import ConnectionClosedError
from ipc.protocol.messages import (
    AnyServerMessage,
    Error,
    Event,
    Notice,
    Ok,
    Pong,
    ServerCall,
    ServerCancel,
    ServerPing,
    ServerReply,
    Welcome,
)
from ipc.transports.answers import error_from_message
from ipc.transports.base import Transport
from ipc.transports.listener import Listener
from ipc.transports.live import LiveSubscription
from ipc.transports.sender import ANSWER_TIMEOUT_S, Sender

logger = logging.getLogger(__name__)


class Incoming:
    """The receiving half of a link, over whatever connection there is.

    Args:
        transport: carries the frames.
        live: knows which events are wanted and new.
        sender: has the requests that answers are for.
        listener: hears of all else.

    """

    def __init__(self, transport: Transport, live: LiveSubscription, sender: Sender, listener: Listener) -> None:
        self.asked_delay_ms: int | None = None
        """For how long the hub has asked to stay away once this session is over."""
        self._transport = transport
        self._live = live
        self._sender = sender
        self._listener = listener

    async def welcome(self) -> Welcome:
        """Wait until the hub has let the session in.

        Raises:
            ConnectionClosedError: it has not, or says nothing.

        """
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                messages = await self._receive()
                if messages and isinstance(messages[0], Error):
                    # The reason for a refused handshake; the close code that follows decides whether to come back.
                    await self._hear_why(messages[0])
        except TimeoutError as error:
            raise ConnectionClosedError(1006, "no welcome came") from error
        if not messages or not isinstance(messages[0], Welcome):
            raise ConnectionClosedError(1006, "the first message was no welcome")
        for message in messages[1:]:
            self._take(message)
        return messages[0]

    async def read(self) -> None:
        """Take what comes until the connection is lost.

        Raises:
            ConnectionClosedError: it is.

        """
        while True:
            for message in await self._receive():
                self._take(message)

    async def _hear_why(self, refused: Error) -> None:
        logger.warning("the bridge refused the session: %s %s", refused.code, refused.message)
        try:
            await self._transport.receive()
        except ConnectionClosedError as error:
            # daphne sends no reason with its close frames.
            raise ConnectionClosedError(error.close_code, f"{refused.code}: {refused.message}") from error

    async def _receive(self) -> list[AnyServerMessage]:
        try:
            return codec.decode_server_frame(await self._transport.receive())
        except codec.FrameError as error:
            raise ConnectionClosedError(1006, error.message) from error

    def _take(self, message: AnyServerMessage) -> None:
        match message:
            case Event():
                self._take_event(message)
            case Ok():
                # Before the next message: the first event may be in the same frame.
                if reasons := self._live.answered(message):
                    self._listener.not_recovered(reasons)
                self._sender.settle(message)
            case ServerReply():
                self._sender.settle(message)
            case ServerCall():
                self._listener.called(message, self._sender.session)
            case ServerCancel():
                self._listener.cancelled(message.id, self._sender.session)
            case Error():
                if not self._sender.settle(message):
                    self._listener.failed(error_from_message(message))
            case _:
                self._take_news(message)

    def _take_news(self, message: AnyServerMessage) -> None:
        if isinstance(message, ServerPing):
            self._sender.put(Pong(sent=message.sent), self._sender.session)
            self._live.heartbeat(message.positions or {})
        elif isinstance(message, Notice):
            if message.notice == "rate_warning":
                logger.warning("the service may send only %s more messages for now", message.remaining)
                return
            if message.notice == "cancelled":
                self._listener.operation_cancelled(message.operation or "")
                return
            logger.info("the bridge says: %s", message.notice)
            # daphne sends no reason with its close frames, so the delay comes in both.
            self.asked_delay_ms = message.retry_after_ms

    def _take_event(self, event: Event) -> None:
        if event.delivery is not None:
            self._listener.delivered(event, self._sender.session)
        else:
            self._live.take(event, self._listener.received)
