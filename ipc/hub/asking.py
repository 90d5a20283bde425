"""Calls of services that have no session here, such as those that come by HTTP: each is awaited where it was made."""

import asyncio
from collections import Counter

from ipc.hub.calls import Calls
from ipc.hub.open_call import Answer, Request
from ipc.protocol.errors import OverloadedError


class _Waiting:
    """Whoever awaits the answer to one call."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def replied(self, _call_id: str, answer: Answer) -> None:
        """Take the answer, unless nobody waits any more."""
        if not self.answer.done():
            self.answer.set_result(answer)


class Asking:
    """The awaited calls of one hub.

    Args:
        calls: where they are open.
        limit: so many of one service may be open at the same time.

    """

    def __init__(self, calls: Calls, *, limit: int) -> None:
        self._calls = calls
        self._limit = limit
        self._open: Counter[str] = Counter()

    async def ask(self, service: str, request: Request, seconds: float) -> Answer:
        """Make a call in the name of a service and return its answer; cancelling this takes the call back.

        Raises:
            OverloadedError: the service has as many calls open as it may, or this hub has.

        """
        if self._open[service] >= self._limit:
            raise OverloadedError(f"{service} has at most {self._limit} calls open here", retry_after_ms=100)
        waiting = _Waiting()
        call = self._calls.begin(waiting, "", request, seconds)
        self._open[service] += 1
        try:
            return await waiting.answer
        finally:
            self._open[service] -= 1
            if not call.is_over:
                self._calls.abandon(call)
