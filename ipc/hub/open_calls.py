"""The calls that are open at one hub: each has a number, and there are not more than a hub can watch over."""

import asyncio
import itertools
import time
from typing import Final

from ipc.hub.open_call import Caller, OpenCall, Request
from ipc.protocol.errors import OverloadedError

MAX_OPEN: Final = 20_000


class OpenCalls:
    """Those of which this hub is the caller's, the owner's, or both."""

    def __init__(self) -> None:
        self._calls: dict[str, OpenCall] = {}
        self._numbers = itertools.count(1)
        self._has_some = asyncio.Event()
        self._is_quiet = asyncio.Event()
        self._is_quiet.set()

    def add(self, caller: Caller, call_id: str, request: Request, seconds: float) -> OpenCall:
        """Open a call, by the id that its caller gave it.

        Raises:
            OverloadedError: too many are open at this hub.

        """
        if len(self._calls) >= MAX_OPEN:
            raise OverloadedError("too many calls are open at this hub", retry_after_ms=250)
        number = f"c{next(self._numbers)}"
        call = OpenCall(number, caller, call_id, request, time.monotonic() + seconds)
        self._calls[number] = call
        self._has_some.set()
        self._is_quiet.clear()
        return call

    def close(self, call: OpenCall) -> None:
        """Let go of a call that is over."""
        call.is_over = True
        self._calls.pop(call.id, None)
        if not self._calls:
            self._has_some.clear()
            self._is_quiet.set()

    def find(self, call_id: str) -> OpenCall | None:
        """Return the call with a number, if it is open."""
        return self._calls.get(call_id)

    def all(self) -> list[OpenCall]:
        """Return all calls, the oldest first."""
        return list(self._calls.values())

    async def some(self) -> None:
        """Wait until a call is open."""
        await self._has_some.wait()

    async def quiet(self) -> None:
        """Wait until no call is open."""
        await self._is_quiet.wait()
