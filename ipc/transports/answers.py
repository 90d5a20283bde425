"""Requests that wait for their answers, by id."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from ipc.protocol.errors import IPCError, UnavailableError, error_from_code
from ipc.protocol.messages import Error, Ok


class Answers:
    """The open requests of one link."""

    def __init__(self) -> None:
        self._open: dict[str, asyncio.Future[Ok]] = {}

    @contextmanager
    def expected(self, request_id: str) -> "Iterator[asyncio.Future[Ok]]":
        """Open a request for the length of a ``with`` block; the future is its answer."""
        answer: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()
        self._open[request_id] = answer
        try:
            yield answer
        finally:
            if self._open.get(request_id) is answer:
                del self._open[request_id]

    def settle(self, message: Ok | Error) -> bool:
        """Give an answer to the request it belongs to; tell whether there was one."""
        answer = self._open.pop(message.id, None) if message.id is not None else None
        if answer is None or answer.done():
            return False
        if isinstance(message, Ok):
            answer.set_result(message)
        else:
            answer.set_exception(error_from_message(message))
        return True

    def fail(self, error: IPCError) -> None:
        """Tell all open requests that the connection is gone and they may be repeated."""
        answers, self._open = self._open, {}
        for answer in answers.values():
            if not answer.done():
                answer.set_exception(UnavailableError(error.message))


def error_from_message(message: Error) -> IPCError:
    """Return the exception for an ``error`` message."""
    return error_from_code(
        message.code,
        message.message,
        details=message.details or None,
        retry_after_ms=None if message.retry_after_ms is msgspec.UNSET else message.retry_after_ms,
    )
