"""What a link sends: requests that wait for their answers, calls, and answers to what came by the same session."""

import asyncio
import random
from typing import Final

from msgspec import Raw, UnsetType

from ipc.hub.batching import Batcher
from ipc.hub.tasks import OwnedTasks
from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import ConnectionClosedError, DeadlineError, IPCError
from ipc.protocol.limits import Limits
from ipc.protocol.messages import Call, ClientMessage, Error, Ok, ServerReply
from ipc.transports.answers import Answers
from ipc.transports.base import Transport
from ipc.transports.outgoing_calls import OutgoingCalls

ANSWER_TIMEOUT_S: Final = 10.0
FLUSH_TIMEOUT_S: Final = 1.0
FIRST_BACKOFF_S: Final = 0.1
MAX_BACKOFF_S: Final = 10.0


class Sender:
    """The sending half of a link, over whatever connection there is.

    Args:
        transport: carries the frames.

    """

    def __init__(self, transport: Transport) -> None:
        self.session = ""
        self.is_open = False
        self._transport = transport
        self._answers = Answers()
        self._calls = OutgoingCalls(lambda message: self.put(message, self.session), self._ready)
        self._is_up = asyncio.Event()
        self._tasks = OwnedTasks("sender")
        limits = Limits()
        self._outgoing: Batcher[str] = Batcher(
            self._send_batch,
            capacity=limits.outbox_bytes,
            max_items=limits.messages_per_frame,
            max_size=limits.frame_bytes,
            name="link",
        )

    @property
    def is_up(self) -> bool:
        """Whether the session is open and has all its subscriptions."""
        return self._is_up.is_set()

    async def wait_until_up(self) -> None:
        """Wait until the session is open and has all its subscriptions."""
        await self._is_up.wait()

    # What the link tells

    def opened(self, session: str) -> None:
        """Take note of a new session; only what prepares it is sent so far."""
        self.session = session
        self.is_open = True

    def up(self) -> None:
        """Let everything out that waits for the session to be prepared."""
        self._is_up.set()

    def closed(self) -> None:
        """Take note that the session is over."""
        self.is_open = False

    def down(self, error: IPCError) -> None:
        """Tell all that wait for an answer that the connection is gone."""
        self._is_up.clear()
        self._answers.fail(error)
        self._calls.fail(error)

    async def close(self) -> None:
        """Send what waits, and end."""
        await asyncio.wait([self._tasks.start(self._outgoing.flushed(), "flush")], timeout=FLUSH_TIMEOUT_S)
        left = ConnectionClosedError(1000, "left")
        self._calls.close(left)
        self.down(left)
        await self._tasks.close()
        await self._outgoing.close()

    # Sending

    async def request(self, message: ClientMessage, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Ok:
        """Send a message with an id and return its ``ok``, however many connections that takes.

        It is repeated, with the same id, when the connection was lost or the answer says to try again, unless it says
        to do so later than there is time: then that answer is raised at once.

        Raises:
            DeadlineError: no answer in time, it may have been carried out.
            IPCError: it was refused.

        """
        attempt, give_up_at = 0, asyncio.get_running_loop().time() + timeout_s
        last: IPCError | None = None
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    await self._is_up.wait()
                    try:
                        return await self.ask(message)
                    except IPCError as error:
                        if not error.retryable:
                            raise
                        last = error
                    pause_s = max(backoff_s(attempt := attempt + 1), (last.retry_after_ms or 0) / 1000)
                    if pause_s > give_up_at - asyncio.get_running_loop().time() and last.retry_after_ms is not None:
                        raise last
                    await asyncio.sleep(pause_s)
        except TimeoutError:
            why = last.message if last else "there is no connection"
            raise DeadlineError(f"no answer within {timeout_s:g} s: {why}") from last

    async def ask(self, message: ClientMessage) -> Ok:
        """Send a message with an id over this connection and return its ``ok``.

        Raises:
            DeadlineError: no answer in time.
            IPCError: it was refused, or the connection was lost.

        """
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

    async def call(self, message: Call, *, timeout_s: float) -> Raw | UnsetType:
        """Make a call and return the data of its reply, as `OutgoingCalls.call` does.

        Raises:
            IPCError: what the owner or the hub said, or there was no reply.

        """
        return await self._calls.call(message, timeout_s=timeout_s)

    def put(self, message: ClientMessage, session: str) -> bool:
        """Send a message if the session that it is for is still open, and tell whether it is.

        A new one would not know what the message is about.
        """
        if session != self.session or not self.is_open:
            return False
        text = codec.encode(message)
        self._outgoing.put(text, codec.utf8_size(text) + 1)
        return True

    def settle(self, message: Ok | Error | ServerReply) -> bool:
        """Give an answer to what waits for it; tell whether something does."""
        if isinstance(message, ServerReply):
            return self._calls.settle(message)
        if self._answers.settle(message):
            return True
        # A cancel and the reply, or a reply and the deadline, have crossed on the way: nothing is wrong.
        return isinstance(message, Error) and (self._calls.settle(message) or message.code == ErrorCode.UNKNOWN_CALL)

    async def _ready(self) -> None:
        await self._is_up.wait()
        await self._outgoing.room()

    async def _send_batch(self, batch: list[str]) -> None:
        try:
            await self._transport.send("\n".join(batch))
        except ConnectionClosedError as error:
            # The reader sees the same and reconnects; requests in the batch are repeated then.
            self._answers.fail(error)
            self._calls.fail(error)


def backoff_s(attempt: int) -> float:
    """Return how long to wait before an attempt: exponential, with full jitter so that a crowd comes back apart."""
    ceiling = min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2 ** min(attempt, 10))
    return random.uniform(0, ceiling)  # noqa: S311 - spreads load, no secret
