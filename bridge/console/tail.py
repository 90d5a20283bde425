"""The feed of the event explorer: what comes into the logs, as server-sent events or, asked once, as JSON.

No browser has a subscription: each feed asks twenty logs for their last positions once a second, in one round trip, and
reads what is new of those that have something new. So a browser that is slow, or a condition that is, costs no service
anything.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Final

from django.http import HttpRequest, HttpResponseBase, JsonResponse, StreamingHttpResponse

from bridge.console.event_rows import row_of
from bridge.console.explorer import FilterForm
from bridge.console.page import mesh_redis
from ipc.django_app.http import error_body
from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError
from ipc.protocol.positions import START, check_position, position_key
from ipc.stores.event_filter import EventFilter
from ipc.stores.eventlog import EventLog
from ipc.stores.log_pages import LogPages
from ipc.stores.stream_scan import Range

EVERY_S: Final = 1.0
LASTS_S: Final = 120.0
"""After so long a feed ends, and the browser asks again: so it is asked again who may see it."""
QUIET_S: Final = 15.0
COUNT: Final = 60
MAX_LOOKED: Final = 1_000
MAX_FEEDS: Final = 32
OVERLAP_MS: Final = 1_000
"""How far before the newest event of the page a feed begins: the logs are not read at the same moment."""
PERMISSION: Final = "bridge.view_event"

_open: set[object] = set()


async def feed(request: HttpRequest) -> HttpResponseBase:
    """Answer with what has come, or comes; for staff with the permission."""
    user = await request.auser()
    if not (user.is_active and user.is_staff and await user.ahas_perm(PERMISSION)):
        return _refusal(ErrorCode.FORBIDDEN, f"this needs the permission {PERMISSION}")
    form = FilterForm(request.GET)
    if not form.is_valid():
        return _refusal(
            ErrorCode.INVALID_MESSAGE, "; ".join(f"{name}: {said[0]}" for name, said in form.errors.items())
        )
    try:
        tail = Tail(form.logs, form.wanted, request.headers.get("Last-Event-ID") or request.GET.get("after", ""))
        if "text/event-stream" not in request.headers.get("Accept", ""):
            return JsonResponse(await tail.next(), headers={"Cache-Control": "no-store"})
    except IPCError as error:
        return _refusal(error.code, error.message)
    if len(_open) >= MAX_FEEDS:
        return _refusal(ErrorCode.UNAVAILABLE, f"there are {MAX_FEEDS} feeds open already")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(_stream(tail), content_type="text/event-stream", headers=headers)


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


async def _stream(tail: Tail) -> AsyncIterator[str]:
    mark = object()
    _open.add(mark)
    try:
        ends_at, said_at = time.monotonic() + LASTS_S, 0.0
        while time.monotonic() < ends_at:
            try:
                found = await tail.next()
            except IPCError as error:
                found = {"rows": [], "skipped": False, "problem": error.message}
            if found["rows"] or found["skipped"] or "problem" in found or time.monotonic() - said_at > QUIET_S:
                said_at = time.monotonic()
                place = f"id: {tail.newest}\n" if tail.newest != START else ""
                yield f"{place}data: {codec.encode_json(found)}\n\n"
            await asyncio.sleep(EVERY_S)
    finally:
        _open.discard(mark)


def _refusal(code: ErrorCode, message: str) -> JsonResponse:
    return JsonResponse(error_body(code, message), status=code.http_status or HTTPStatus.BAD_REQUEST)
