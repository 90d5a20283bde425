"""Events as lines of text: for people, in columns and colours, or one JSON object a line."""

from datetime import UTC, datetime
from typing import Any, Final
from zlib import crc32

import msgspec

from ipc.dispatch import EventContext
from ipc.protocol.routing import BROADCAST
from ipc.protocol.services import PREFIX

RESET: Final = "\x1b[0m"
DIM: Final = "\x1b[2m"
SOURCE: Final = "\x1b[32m"
TARGET: Final = "\x1b[33m"
EVENT_COLOURS: Final = ("\x1b[36m", "\x1b[35m", "\x1b[34m", "\x1b[92m", "\x1b[93m", "\x1b[95m", "\x1b[96m", "\x1b[94m")
"""None of them red, which is for what is wrong; all of one resource have one of them."""

MIN_EVENT: Final = 20
MAX_EVENT: Final = 36
MIN_WAY: Final = 20
MAX_WAY: Final = 40
MIN_DATA: Final = 16


def printable(text: str, *, keep: str = "") -> str:
    """Return a text with everything escaped that could move a cursor, hide text or turn its direction."""
    if text.isprintable():
        return text
    return "".join(
        each if each.isprintable() or each in keep else each.encode("unicode_escape").decode() for each in text
    )


def json_line(data: Any, context: EventContext) -> str:
    """Return all of an event as one line of JSON."""
    members = {
        "id": context.id,
        "event": context.event,
        "source": context.source,
        "target": context.target,
        "ts": context.timestamp,
        "log": context.log,
        "position": context.position,
        "data": data,
        "meta": context.meta,
        "traceparent": context.traceparent,
        "select_error": context.select_error,
    }
    return msgspec.json.encode(members).decode()


class Layout:
    """Lines for people: time, event, who to whom, data, position. Columns grow with what is in them, up to a width.

    Args:
        columns: of the terminal, which data are cut for; 0 for no end.
        has_colours: whether the terminal shows them.

    """

    def __init__(self, *, columns: int = 0, has_colours: bool = False) -> None:
        self._columns = columns
        self._has_colours = has_colours
        self._event_width = MIN_EVENT
        self._way_width = MIN_WAY
        self._day = ""

    def lines(self, data: Any, context: EventContext) -> list[str]:
        """Return the line of an event, and before it the day where a new one begins; times are in UTC."""
        moment = datetime.fromtimestamp(context.timestamp / 1000, UTC)
        day = f"── {moment:%Y-%m-%d} UTC ──"
        before = [] if day == self._day else [self._painted(day, DIM)]
        self._day = day
        return [*before, self._line(f"{moment:%H:%M:%S}.{moment.microsecond // 1000:03}", data, context)]

    def _line(self, time: str, data: Any, context: EventContext) -> str:
        source, target = _short(context.source), ",".join(_short(name) for name in _names(context.target))
        way = f"{source} → {target}"
        self._event_width = min(MAX_EVENT, max(self._event_width, len(context.event)))
        self._way_width = min(MAX_WAY, max(self._way_width, len(way)))
        event = context.event.ljust(self._event_width)
        gap = " " * (self._way_width - len(way))
        failed = f"select failed, {context.select_error}: " if context.select_error else ""
        text = failed + printable(msgspec.json.encode(data).decode())
        used = len(time) + len(event) + max(len(way), self._way_width) + len(context.position) + 8
        if self._columns:
            width = max(MIN_DATA, self._columns - used)
            text = _cut(text, width).ljust(width)
        colour = EVENT_COLOURS[crc32(context.event.split(":")[0].encode()) % len(EVENT_COLOURS)]
        shown_way = f"{self._painted(source, SOURCE)} → {self._painted(target, TARGET)}{gap}"
        parts = [self._painted(time, DIM), self._painted(event, colour), shown_way, text]
        return "  ".join([*parts, self._painted(context.position, DIM)])

    def _painted(self, text: str, colour: str) -> str:
        return f"{colour}{text}{RESET}" if self._has_colours else text


def _names(target: str | list[str]) -> list[str]:
    return [target] if isinstance(target, str) else target


def _short(name: str) -> str:
    return "all" if name == BROADCAST else name.removeprefix(PREFIX)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
