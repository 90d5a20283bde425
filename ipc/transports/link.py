"""A session that is kept up: it connects again, subscribes from where it was, and repeats what was not answered."""

import asyncio
import logging
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ipc.hub.batching import Batcher
from ipc.hub.tasks import OwnedTasks
from ipc.protocol import codec
from ipc.protocol.codes import CloseCode
from ipc.protocol.errors import ConnectionClosedError, DeadlineError, IPCError
from ipc.protocol.ids import new_ulid
from ipc.protocol.limits import Limits
from ipc.protocol.messages import (
    Ack,
    AnyServerMessage,
    ClientMessage,
    Error,
    Event,
    Nack,
    Notice,
    Ok,
    Pong,
    Progress,
    ServerPing,
    Subscribe,
    Unsubscribe,
    Welcome,
)
from ipc.transports.answers import Answers, error_from_message
from ipc.transports.base import Transport
from ipc.transports.live import LiveSubscription

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.1
MAX_BACKOFF_S = 10.0
ANSWER_TIMEOUT_S = 10.0
FLUSH_TIMEOUT_S = 1.0
STEADY_S = 5.0
_DELAY = re.compile(r"reconnect in (\d{1,6}) ms")


class Listener(Protocol):
    """Who hears what a link has to tell. The methods return at once."""

    def connected(self, welcome: Welcome) -> None:
        """The session is up and subscribed."""

    def not_recovered(self, reasons: dict[str, str]) -> None:
        """Events were missed for good: the log no longer has them."""

    def received(self, event: Event) -> bool:
        """Take an event; False refuses it and all that follow, until `Link.resume`."""

    def delivered(self, event: Event, session: str) -> None:
        """Take an event of a group; it is answered with the session that it came by."""

    def failed(self, error: IPCError) -> None:
        """The connection was lost, or something sent without an id was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSubscription:
    """A durable group to be a member of, as ``subscribe`` takes it."""

    group: str
    events: Sequence[str]
    credit: int
    retry: Mapping[str, Any] | None = None
    once: bool = False


class Link:
    """One session over a transport, for as long as it is wanted.

    Args:
        transport: carries the frames.
        patterns: what to subscribe to after each connection.
        listener: hears of events and failures.
        groups: what to be a member of, likewise.

    """

    def __init__(
        self,
        transport: Transport,
        patterns: Sequence[str],
        listener: Listener,
        groups: Sequence[GroupSubscription] = (),
    ) -> None:
        self._transport = transport
        self._live = LiveSubscription(patterns)
        self._groups = groups
        self._session_id = ""
        self._listener = listener
        self._answers = Answers()
        self._is_up = asyncio.Event()
        self._is_open = False
        self._last_failure = ""
        self._asked_delay_ms: int | None = None
        self._tasks = OwnedTasks("link")
        limits = Limits()
        self._outgoing: Batcher[str] = Batcher(
            self._send_batch,
            capacity=limits.outbox_bytes,
            max_items=limits.messages_per_frame,
            max_size=limits.frame_bytes,
            name="link",
        )

    @property
    def positions(self) -> dict[str, str]:
        """The position of the last event that was taken, or passed over as not wanted, of each log."""
        return self._live.positions

    @property
    def is_up(self) -> bool:
        """Whether the session is open and subscribed."""
        return self._is_up.is_set()

    async def wait_until_up(self) -> None:
        """Wait until the session is open and subscribed."""
        await self._is_up.wait()

    async def run(self) -> None:
        """Keep the session up until cancelled.

        Raises:
            IPCError: the bridge refused it for good, so connecting again would be refused too.

        """
        attempt = 0
        while True:
            self._asked_delay_ms = None
            began = time.monotonic()
            try:
                await self._session()
            except ConnectionClosedError as error:
                # A bridge that lets everybody in and closes at once is no reason to hurry either.
                was_steady = self.is_up and time.monotonic() - began > STEADY_S
                attempt = 0 if was_steady else attempt + 1
                self._down(error)
                if not error.may_reconnect:
                    raise
                if delay := _DELAY.search(error.reason):
                    self._asked_delay_ms = int(delay[1])
            except IPCError as error:
                self._down(error)
                raise
            await self._transport.close()
            asked_ms = self._asked_delay_ms
            await asyncio.sleep(_backoff_s(attempt) if asked_ms is None else asked_ms / 1000)

    async def close(self) -> None:
        """Send what waits, and leave."""
        await asyncio.wait([self._tasks.start(self._outgoing.flushed(), "flush")], timeout=FLUSH_TIMEOUT_S)
        self._is_up.clear()
        self._answers.fail(ConnectionClosedError(1000, "left"))
        await self._tasks.close()
        await self._outgoing.close()
        await self._transport.aclose()

    async def request(self, message: ClientMessage, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Ok:
        """Send a message with an id and return its ``ok``, however many connections that takes.

        It is repeated, with the same id, when the connection was lost or the answer says to try again.

        Raises:
            DeadlineError: no answer in time, it may have been carried out.
            IPCError: it was refused.

        """
        attempt = 0
        last: IPCError | None = None
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    await self._is_up.wait()
                    try:
                        return await self._ask(message)
                    except IPCError as error:
                        if not error.retryable:
                            raise
                        last = error
                    await asyncio.sleep(_backoff_s(attempt := attempt + 1))
        except TimeoutError:
            why = last.message if last else "there is no connection"
            raise DeadlineError(f"no answer within {timeout_s:g} s: {why}") from last

    async def pause(self) -> None:
        """Ask for no more events; those that still come are dropped, `resume` brings them again from the log.

        Raises:
            IPCError: the request failed; the connection is about to be made anew, paused.

        """
        unsubscribe = self._live.pause()
        if unsubscribe is not None and self._is_open:
            # Also while the subscription is on its way: what it brings would run ahead of what is dropped now.
            await self._ask(unsubscribe)

    async def resume(self) -> None:
        """Ask for events again, from the last one that was taken.

        Raises:
            IPCError: the request failed; the connection is about to be made anew, subscribed.

        """
        self._live.resume()
        if self._is_open:
            await self._subscribe()

    async def retire(self) -> None:
        """Ask for no more events, of groups neither; what was delivered may still be answered.

        Raises:
            IPCError: the request failed.

        """
        await self.pause()
        groups, self._groups = self._groups, ()
        for group in groups:
            if self._is_open:
                await self._ask(Unsubscribe(id=new_ulid(), events=[], group=group.group))

    def settle(self, answer: Ack | Nack | Progress, session: str) -> None:
        """Answer a delivery, if the session that it came by is still open; a new one would not know it."""
        if session == self._session_id and self._is_open:
            text = codec.encode(answer)
            self._outgoing.put(text, codec.utf8_size(text) + 1)

    def restart(self) -> None:
        """Drop the connection and make a new one, for when nobody knows what the hub thinks of this session."""
        self._live.resume_anew()
        self._tasks.start(self._transport.close(), "restart")

    async def _session(self) -> None:
        await self._transport.connect()
        welcome = await self._welcome()
        self._live.connected()
        self._is_open = True
        self._session_id = welcome.session
        reading = asyncio.create_task(self._read(), name="link reader")
        subscribing = asyncio.create_task(self._join(), name="link subscribe")
        try:
            await asyncio.wait([reading, subscribing], return_when=asyncio.FIRST_COMPLETED)
            if subscribing.done():
                _raise_failed(subscribing)
                self._is_up.set()
                self._listener.connected(welcome)
            await reading
        finally:
            self._is_open = False
            self._live.disconnected()
            reading.cancel()
            subscribing.cancel()
            await asyncio.wait([reading, subscribing])

    async def _welcome(self) -> Welcome:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                messages = await self._receive()
                if messages and isinstance(messages[0], Error):
                    # The reason for a refused handshake; the close code that follows decides whether to come back.
                    logger.warning("the bridge refused the session: %s %s", messages[0].code, messages[0].message)
                    await self._transport.receive()
        except TimeoutError as error:
            raise ConnectionClosedError(1006, "no welcome came") from error
        if not messages or not isinstance(messages[0], Welcome):
            raise ConnectionClosedError(1006, "the first message was no welcome")
        for message in messages[1:]:
            self._take(message)
        return messages[0]

    async def _join(self) -> None:
        await self._subscribe()
        for group in self._groups:
            await self._ask(
                Subscribe(
                    id=new_ulid(),
                    events=list(group.events),
                    group=group.group,
                    credit=group.credit,
                    retry=dict(group.retry) if group.retry is not None else None,
                    once=group.once,
                )
            )

    async def _subscribe(self) -> None:
        subscribe = self._live.subscription()
        if subscribe is not None:
            await self._ask(subscribe)

    async def _read(self) -> None:
        while True:
            for message in await self._receive():
                self._take(message)

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
                self._answers.settle(message)
            case Error():
                if not self._answers.settle(message):
                    self._listener.failed(error_from_message(message))
            case ServerPing():
                self._outgoing.put(codec.encode(Pong(sent=message.sent)), 64)
                self._live.heartbeat(message.positions or {})
            case Notice():
                logger.info("the bridge says: %s", message.notice)
                # daphne sends no reason with its close frames, so the delay comes in both.
                self._asked_delay_ms = message.retry_after_ms
            case _:
                pass

    def _take_event(self, event: Event) -> None:
        if event.delivery is not None:
            self._listener.delivered(event, self._session_id)
        else:
            self._live.take(event, self._listener.received)

    async def _ask(self, message: ClientMessage) -> Ok:
        if message.id is None:
            raise ValueError("a request needs an id")
        text = codec.encode(message)
        await self._outgoing.room()
        with self._answers.expected(message.id) as answer:
            self._outgoing.put(text, codec.utf8_size(text) + 1)
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    return await answer
            except TimeoutError as error:
                raise DeadlineError(f"no answer to {type(message).__name__} {message.id}") from error

    async def _send_batch(self, batch: list[str]) -> None:
        try:
            await self._transport.send("\n".join(batch))
        except ConnectionClosedError as error:
            # The reader sees the same and reconnects; requests in the batch are repeated then.
            self._answers.fail(error)

    def _down(self, error: IPCError) -> None:
        if self._is_up.is_set():
            self._listener.failed(error)
        else:
            # Once for each reason, not once for each try.
            logger.log(
                logging.DEBUG if str(error) == self._last_failure else logging.WARNING, "not connected: %s", error
            )
        self._last_failure = str(error)
        self._is_up.clear()
        self._answers.fail(error)


def _backoff_s(attempt: int) -> float:
    """Return how long to wait before an attempt: exponential, with full jitter so that a crowd comes back apart."""
    ceiling = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(attempt, 10))
    return random.uniform(0, ceiling)  # noqa: S311 - spreads load, no secret


def _raise_failed(subscribing: "asyncio.Task[None]") -> None:
    """Raise what a subscription failed with: what may be tried again counts as a lost connection."""
    error = subscribing.exception()
    if isinstance(error, IPCError) and error.retryable and not isinstance(error, ConnectionClosedError):
        raise ConnectionClosedError(CloseCode.INTERNAL, str(error)) from error
    if error is not None:
        raise error
