"""The feed of the event explorer: what comes into the logs.

No browser has a subscription: each feed asks twenty logs for their last positions once a second, in one round trip, and
reads what is new of those that have something new. So a browser that is slow, or a condition that is, costs no service
anything. Where it is in each log it tells the browser, which comes back with that: after it had lost touch or was
hidden, and with each question where it asks again and again.
"""

import time
from typing import Any, Final

from django.http import HttpRequest
from redis.asyncio import Redis

from bridge.console.event_rows import row_of
from bridge.console.explorer import ExplorerPage, FilterForm
from bridge.console.filled import filled
from bridge.console.stream import Said, StreamView, Tell
from ipc.django_app.runtime import running_redis
from ipc.hub.hub import Hub
from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.positions import check_position, position_key
from ipc.stores.event_filter import EventFilter
from ipc.stores.eventlog import EventLog
from ipc.stores.log_pages import LogPages
from ipc.stores.stream_scan import Range

COUNT: Final = 60
MAX_LOOKED: Final = 1_000
OVERLAP_MS: Final = 1_000
"""How far before the newest event of the page a feed begins: the logs are not read at the same moment."""


class TailView(StreamView):
    """What a filter chooses of what is new."""

    permission = ExplorerPage.permission

    def teller(self, request: HttpRequest, hub: Hub, **where: Any) -> Tell:  # noqa: ARG002 - no parts, and the logs are in Redis
        """Return what says it, from where the browser was, or else from the newest event of its page.

        Raises:
            BadMessageError: the filter, or the place, makes no sense.
            UnavailableError: this process has joined no mesh.

        """
        form = filled(FilterForm(request.GET))
        place = request.headers.get("Last-Event-ID") or request.GET.get("place", "")
        begin = places_of(place, form.logs) if place else begin_of(request.GET.get("after", ""), form.logs)
        return Tail(running_redis(), begin, form.wanted).said


def places_of(place: str, logs: tuple[str, ...]) -> dict[str, str]:
    """Return where a feed was in each log.

    Raises:
        BadMessageError: INVALID_POSITION.

    """
    positions = place[:2_000].split(",")
    if len(positions) != len(logs):
        raise BadMessageError(
            f"{place[:64]!r} is no place in {len(logs)} logs: load the page again", code=ErrorCode.INVALID_POSITION
        )
    return dict(zip(logs, map(check_position, positions), strict=True))


def begin_of(after: str, logs: tuple[str, ...]) -> dict[str, str]:
    """Return where a feed begins whose page has an event at a position; with none it begins now.

    Raises:
        BadMessageError: INVALID_POSITION.

    """
    begin_ms = position_key(check_position(after))[0] - OVERLAP_MS if after else time.time_ns() // 1_000_000
    return dict.fromkeys(logs, f"{max(0, begin_ms)}-0")


class Tail:
    """The new events of some logs.

    Args:
        redis: has the logs.
        begin: the logs, and the position in each after which events are new.
        wanted: which events of them.

    """

    def __init__(self, redis: Redis, begin: dict[str, str], wanted: EventFilter) -> None:
        self._eventlog = EventLog(redis)
        self._pages = LogPages(redis)
        self._at = begin
        self._wanted = wanted

    @property
    def place(self) -> str:
        """Where it is, for `places_of`."""
        return ",".join(self._at.values())

    async def said(self) -> Said:
        """Return what a feed says of the rows that are new.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        found = await self.next()
        return Said(codec.encode_json({**found, "place": self.place}), self.place)

    async def next(self) -> dict[str, Any]:
        """Return the rows that are new, newest first; ``skipped`` where there are more than a page shows.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        last = dict(zip(self._at, await self._eventlog.last_positions(list(self._at)), strict=True))
        parts = {
            log: Range(first=f"({at}", last=last[log], newest_first=True)
            for log, at in self._at.items()
            if position_key(last[log]) > position_key(at)
        }
        if not parts:
            return {"rows": [], "skipped": False}
        page = await self._pages.page(parts, self._wanted, count=COUNT, max_looked=MAX_LOOKED)
        self._at |= {log: last[log] for log in parts}
        return {"rows": [row_of(found) for found in page.events], "skipped": page.upto is not None}
