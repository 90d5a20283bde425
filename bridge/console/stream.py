"""What all feeds of the console share: server-sent events, or one JSON for who asks again and again.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from bridge.console.permitted import PermittedFeed, may_look
from ipc.django_app.runtime import running_hub
from ipc.hub.hub import Hub
from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError

MAX_STREAMS: Final = 64
"""Of all feeds of one process together."""
EVERY_S: Final = 1.0
QUIET_S: Final = 15.0
"""After how long a feed says again what has not changed, so that nobody on the way thinks it dead."""
CHECKED_EVERY_S: Final = 5.0
AGAIN_MS: Final = 2_000
STREAM: Final = "text/event-stream"
HEADERS: Final = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Said(NamedTuple):
    """What a feed says now, as JSON, and the place that a browser which has lost touch comes back with."""

    text: str
    place: str = ""


Tell = Callable[[], Awaitable[Said]]
_OPEN: WeakKeyDictionary[Hub, WeakSet["Stream"]] = WeakKeyDictionary()


class StreamView(PermittedFeed):
    """Whoever asks for events gets them once a second, until they leave, may look no longer, or the process stops."""

    def teller(self, request: HttpRequest, hub: Hub, **where: Any) -> Tell:
        """Return what is called for all that is said to one browser.

        Raises:
            IPCError: the question makes no sense.

        """
        raise NotImplementedError

    async def get(self, request: HttpRequest, **where: Any) -> HttpResponseBase:
        """Answer with events, or once."""
        hub = running_hub()
        tell = self.teller(request, hub, **where)
        if STREAM not in request.headers.get("Accept", ""):
            return HttpResponse((await _said(tell)).text, content_type="application/json", headers=HEADERS)
        if open_now(hub) >= MAX_STREAMS:
            raise IPCError(f"this process has {MAX_STREAMS} feeds: ask for JSON instead", code=ErrorCode.OVERLOADED)
        stream = Stream(hub, tell, partial(may_look, request.session.session_key, *self.needed(request)))
        return StreamingHttpResponse(stream, content_type=STREAM, headers=HEADERS)


class Stream:
    """The events of one browser; they count from here on, whether they are read or not, until it is closed or gone.

    Args:
        hub: of whose mesh something is told.
        tell: returns what is said now.
        may_go_on: whether the one who listens still may.

    """

    def __init__(self, hub: Hub, tell: Tell, may_go_on: Callable[[], Awaitable[bool]]) -> None:
        self._hub = hub
        self._tell = tell
        self._may_go_on = may_go_on
        _OPEN.setdefault(hub, WeakSet()).add(self)

    def close(self) -> None:
        """Count no longer; Django does it when the answer is at its end, begun or not."""
        _OPEN[self._hub].discard(self)

    async def __aiter__(self) -> AsyncGenerator[str, None]:
        """Yield what is new."""
        checked_at, said_at, last = time.monotonic(), 0.0, ""
        try:
            yield f"retry: {AGAIN_MS}\n\n"
            while not self._hub.is_draining and not _is_left():
                if time.monotonic() - checked_at >= CHECKED_EVERY_S:
                    checked_at = time.monotonic()
                    if not await self._may_go_on():
                        return
                said = await _said(self._tell)
                if _is_left():
                    return
                if said.text != last or time.monotonic() - said_at > QUIET_S:
                    said_at, last = time.monotonic(), said.text
                    place = f"id: {said.place}\n" if said.place else ""
                    yield f"{place}data: {said.text}\n\n"
                # With the second, so that all feeds show the same.
                await asyncio.sleep(EVERY_S - time.time() % EVERY_S)
        finally:
            self.close()


def open_now(hub: Hub) -> int:
    """Return how many feeds of a hub are open."""
    return len(_OPEN.get(hub, ()))


def _is_left() -> bool:
    """Tell whether the browser has gone: its request was cancelled, though what was waited for has kept that to itself.

    `asyncio.wait_for` does so before Python 3.12 where both happen at once.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _said(tell: Tell) -> Said:
    """Return what is said; what could not be read has a ``problem`` in its place."""
    try:
        return await tell()
    except IPCError as error:
        return Said(codec.encode_json({"problem": error.message}))
