"""The calls that a link has made and that have no reply yet."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Raw, UnsetType

from ipc.protocol.calls import may_repeat
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import DeadlineError, IPCError, OwnerLostError, UnavailableError
from ipc.protocol.messages import Call, Cancel, ClientMessage, Error, ServerReply
from ipc.transports.answers import error_from_message

FIRST_PAUSE_S: Final = 0.05
MAX_PAUSE_S: Final = 2.0


class OutgoingCalls:
    """Calls by id.

    Args:
        put: sends a message over the connection as it is now; False if there is none.
        until_ready: waits until messages may be put.

    """

    def __init__(self, put: Callable[[ClientMessage], bool], until_ready: Callable[[], Awaitable[None]]) -> None:
        self._put = put
        self._until_ready = until_ready
        self._open: dict[str, asyncio.Future[ServerReply]] = {}
        self._is_closed = False

    async def call(self, message: Call, *, timeout_s: float) -> Raw | UnsetType:
        """Make a call and return the data of its reply; ``timeout_ms`` of the message becomes what is left.

        It is made again at once when it was not sent, and when a hub has refused it because it is stopping; over a lost
        connection only if it may happen twice.

        Raises:
            OwnerLostError: the connection was lost on the way.
            DeadlineError: no reply in time.
            IPCError: what the owner or the hub said.

        """
        ends = time.monotonic() + timeout_s
        attempt = 0
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    await self._until_ready()
                    message.timeout_ms = max(1, int((ends - time.monotonic()) * 1000))
                    try:
                        return await self._once(message)
                    except IPCError as error:
                        if self._is_closed or not _may_call_again(error, message):
                            raise
                    attempt += 1
                    await asyncio.sleep(_pause_s(attempt))
        except TimeoutError:
            raise DeadlineError(
                f"no reply from {message.resource}.{message.op} within {timeout_s:g} s; it may have been carried out"
            ) from None

    def settle(self, message: ServerReply | Error) -> bool:
        """Give a reply, or a refusal, to the call that it belongs to; tell whether there is one."""
        answer = self._open.pop(message.id, None) if message.id is not None else None
        if answer is None or answer.done():
            return False
        if isinstance(message, Error):
            answer.set_exception(error_from_message(message))
        elif message.error is not None:
            answer.set_exception(error_from_message(message.error))
        else:
            answer.set_result(message)
        return True

    def fail(self, error: IPCError) -> None:
        """Tell all open calls that the connection is gone."""
        opened, self._open = self._open, {}
        for answer in opened.values():
            if not answer.done():
                answer.set_exception(_ConnectionLostError(f"{error.message}; the call may have been carried out"))

    def close(self, error: IPCError) -> None:
        """Tell all open calls that there will be no other connection."""
        self._is_closed = True
        self.fail(error)

    async def _once(self, message: Call) -> Raw | UnsetType:
        call_id = str(message.id)
        answer: asyncio.Future[ServerReply] = asyncio.get_running_loop().create_future()
        if not self._put(message):
            raise _NotSentError("the connection was lost before the call was sent")
        self._open[call_id] = answer
        try:
            return (await answer).data
        except asyncio.CancelledError:
            if self._open.pop(call_id, None) is not None:
                self._put(Cancel(id=call_id))
            raise


class _ConnectionLostError(OwnerLostError):
    """The connection went away, which says nothing about the owner."""


class _NotSentError(UnavailableError):
    """There was no connection any more, so nobody has begun with the call."""


def _may_call_again(error: IPCError, message: Call) -> bool:
    if error.code is ErrorCode.DRAINING or isinstance(error, _NotSentError):
        return True
    return isinstance(error, _ConnectionLostError) and may_repeat(
        message.op, is_keyed=message.idempotency_key is not None
    )


def _pause_s(attempt: int) -> float:
    return random.uniform(0, min(MAX_PAUSE_S, FIRST_PAUSE_S * 2 ** min(attempt, 10)))  # noqa: S311 - spreads load
