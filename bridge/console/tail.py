"""The feed of the event explorer: what comes into the logs, as server-sent events or, asked once, as JSON.

No browser has a subscription: each feed asks twenty logs for their last positions once a second, in one round trip, and
reads what is new of those that have something new. So a browser that is slow, or a condition that is, costs no service
anything.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any, Final
from weakref import WeakKeyDictionary

from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views import View

from bridge.console.event_rows import row_of
from bridge.console.explorer import ExplorerPage, FilterForm
from bridge.console.feed import AGAIN_MS, CHECKED_EVERY_S, MAX_FEEDS, STREAM, may_look, refused
from bridge.console.page import mesh_redis
from ipc.django_app.runtime import running_hub
from ipc.hub.hub import Hub
from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError
from ipc.protocol.positions import START, check_position, position_key
from ipc.stores.event_filter import EventFilter
from ipc.stores.eventlog import EventLog
from ipc.stores.log_pages import LogPages
from ipc.stores.stream_scan import Range

EVERY_S: Final = 1.0
QUIET_S: Final = 15.0
COUNT: Final = 60
MAX_LOOKED: Final = 1_000
OVERLAP_MS: Final = 1_000
"""How far before the newest event of the page a feed begins: the logs are not read at the same moment."""

_OPEN: WeakKeyDictionary[Hub, int] = WeakKeyDictionary()


class TailView(View):
    """Whoever asks for events gets what is new once a second, until they leave or may look no longer."""

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with what the filter chooses, as events or once."""
        session_key = request.session.session_key
        if not await may_look(session_key, ExplorerPage.permission):
            return refused(ErrorCode.FORBIDDEN, "this is for staff who may look at events: log in to the admin")
        form = FilterForm(request.GET)
        if not form.is_valid():
            wrong = "; ".join(f"{name}: {said[0]}" for name, said in form.errors.items())
            return refused(ErrorCode.INVALID_MESSAGE, wrong)
        after = request.headers.get("Last-Event-ID") or request.GET.get("after", "")
        try:
            hub, tail = running_hub(), Tail(form.logs, form.wanted, after)
            if STREAM not in request.headers.get("Accept", ""):
                return JsonResponse(await tail.next(), headers={"Cache-Control": "no-store"})
        except IPCError as error:
            return refused(error.code, error.message)
        if _OPEN.get(hub, 0) >= MAX_FEEDS:
            return refused(ErrorCode.OVERLOADED, f"this process has {MAX_FEEDS} such feeds: ask for JSON instead")
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(_events(hub, tail, session_key), content_type=STREAM, headers=headers)


class Tail:
    """The new events of some logs, with a place in each of them.

    Args:
        logs: which.
        wanted: which events of them.
        after: the position of the newest event that was seen; empty begins with what comes from now on.

    Raises:
        BadMessageError: INVALID_POSITION.
        UnavailableError: this process has joined no mesh.

    """

    def __init__(self, logs: tuple[str, ...], wanted: EventFilter, after: str) -> None:
        redis = mesh_redis()
        self._eventlog = EventLog(redis)
        self._pages = LogPages(redis)
        self._logs = logs
        self._wanted = wanted
        begin_ms = position_key(check_position(after))[0] - OVERLAP_MS if after else time.time_ns() // 1_000_000
        self._at = dict.fromkeys(logs, f"{max(0, begin_ms)}-0")
        self.newest = after or START

    async def next(self) -> dict[str, Any]:
        """Return the rows that are new, newest first; ``skipped`` where there are more than a page shows.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        last = dict(zip(self._logs, await self._eventlog.last_positions(self._logs), strict=True))
        parts = {
            log: Range(first=f"({at}", last=last[log], newest_first=True)
            for log, at in self._at.items()
            if position_key(last[log]) > position_key(at)
        }
        if not parts:
            return {"rows": [], "skipped": False}
        page = await self._pages.page(parts, self._wanted, count=COUNT, max_looked=MAX_LOOKED)
        self._at |= {log: last[log] for log in parts}
        self.newest = max([self.newest, *(last[log] for log in parts)], key=position_key)
        return {"rows": [row_of(found) for found in page.events], "skipped": page.upto is not None}


async def _events(hub: Hub, tail: Tail, session_key: str | None) -> AsyncGenerator[str, None]:
    _OPEN[hub] = _OPEN.get(hub, 0) + 1
    checked_at, said_at = time.monotonic(), 0.0
    try:
        yield f"retry: {AGAIN_MS}\n\n"
        while not hub.is_draining:
            if time.monotonic() - checked_at >= CHECKED_EVERY_S:
                checked_at = time.monotonic()
                if not await may_look(session_key, ExplorerPage.permission):
                    return
            found = await _next(tail)
            if any(found.values()) or time.monotonic() - said_at > QUIET_S:
                said_at = time.monotonic()
                place = f"id: {tail.newest}\n" if tail.newest != START else ""
                yield f"{place}data: {codec.encode_json(found)}\n\n"
            await asyncio.sleep(EVERY_S)
    finally:
        _OPEN[hub] -= 1


async def _next(tail: Tail) -> dict[str, Any]:
    try:
        return await tail.next()
    except IPCError as error:
        return {"rows": [], "skipped": False, "problem": error.message}
