"""Requests that wait for their answers, by id."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from ipc.protocol.errors import IPCError, UnavailableError, error_from_code
from ipc.protocol.messages import CallError, Error, Ok


class Answers:
    """The open requests of one link."""

    def __init__(self) -> None:
        self._open: dict[str, list[asyncio.Future[Ok]]] = {}

    @contextmanager
    def expected(self, request_id: str) -> "Iterator[asyncio.Future[Ok]]":
        """Open a request for the length of a ``with`` block; the future is its answer.

        The same id may be open several times, such as for an event that two tasks emit; answers come in order.
        """
        answer: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()
        self._open.setdefault(request_id, []).append(answer)
        try:
            yield answer
        finally:
            self._forget(request_id, answer)

    def settle(self, message: Ok | Error) -> bool:
        """Give an answer to the request it belongs to; tell whether there was one."""
        answers = self._open.get(message.id) if message.id is not None else None
        if message.id is None or not answers:
            return False
        answer = answers[0]
        self._forget(message.id, answer)
        if answer.done():
            return False
        if isinstance(message, Ok):
            answer.set_result(message)
        else:
            answer.set_exception(error_from_message(message))
        return True

    def fail(self, error: IPCError) -> None:
        """Tell all open requests that the connection is gone and they may be repeated."""
        opened, self._open = self._open, {}
        for answer in (answer for answers in opened.values() for answer in answers):
            if not answer.done():
                answer.set_exception(UnavailableError(error.message))

    def _forget(self, request_id: str, answer: "asyncio.Future[Ok]") -> None:
        answers = self._open.get(request_id, [])
        if answer in answers:
            answers.remove(answer)
            if not answers:
                del self._open[request_id]


def error_from_message(message: Error | CallError) -> IPCError:
    """Return the exception for an ``error`` message, or for the error of a reply."""
    return error_from_code(
        message.code,
        message.message,
        # An owner's own may be any JSON.
        details=message.details if isinstance(message.details, dict) and message.details else None,
        retry_after_ms=None if message.retry_after_ms is msgspec.UNSET else message.retry_after_ms,
    )
