"""The events of one trace (W3C Trace Context, ``traceparent``), looked for around the time of one of them."""

import time
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from ipc.protocol.frames import closed
from ipc.protocol.positions import position_key
from ipc.stores import keys
from ipc.stores.connection import execute, translated_errors
from ipc.stores.event_search import LOGS, Head, head_of
from ipc.stores.stream_scan import Condition, Range, scan

AROUND_MS: Final = 10 * 60_000
SEARCH_S: Final = 1.0
MAX_LOOKED: Final = 20_000
MAX_FOUND: Final = 50


class _Traced(msgspec.Struct):
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Traced:
    """An event of a trace, and where it is."""

    log: str
    position: str
    head: Head


@dataclass(frozen=True, slots=True)
class Trace:
    """The events of a trace that were found, oldest first, and whether all of the ten minutes around were looked at."""

    id: str
    events: list[Traced]
    looked: int
    is_whole: bool


def trace_id(frame: str) -> str:
    """Return the id of the trace that an event is part of, empty where it is part of none."""
    parent = msgspec.json.decode(closed(frame), type=_Traced).traceparent
    return parent.split("-")[1] if parent and parent.count("-") == 3 else ""  # noqa: PLR2004 - the form of the header


async def find_trace(redis: Redis, wanted: str, *, around_ms: int) -> Trace:
    """Look for the events of a trace in all logs, ten minutes before and after a time, for a second at most.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    until = time.monotonic() + SEARCH_S
    part = Range(first=str(max(0, around_ms - AROUND_MS)), last=str(around_ms + AROUND_MS))
    # What contains the text may only speak of it; who says it of itself is found out of the frame.
    speaks = Condition("f", "*", f"-{wanted}-")
    events: list[Traced] = []
    looked, is_whole = 0, True
    for log in LOGS:
        found = await scan(
            redis, keys.log(log), part, [speaks], max_entries=MAX_LOOKED, max_found=MAX_FOUND + 1, until=until
        )
        looked, is_whole = looked + found.looked, is_whole and found.is_whole
        events += await _read(redis, log, found.found, wanted)
    events.sort(key=lambda event: (position_key(event.position), event.log))
    return Trace(wanted, events[:MAX_FOUND], looked, is_whole and len(events) <= MAX_FOUND)


async def _read(redis: Redis, log: str, positions: list[str], wanted: str) -> list[Traced]:
    if not positions:
        return []
    async with translated_errors(f"read {log}"):
        replies: list[Any] = await execute(redis, *(("XRANGE", keys.log(log), each, each) for each in positions))
    found = []
    for rows in replies:
        for position, flat in rows if isinstance(rows, list) else ():
            frame = dict(zip(flat[::2], flat[1::2], strict=True)).get(b"f", b"").decode()
            if frame and trace_id(frame) == wanted:
                found.append(Traced(log, position.decode(), head_of(frame)))
    return found
