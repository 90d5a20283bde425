"""Finding an event by its id: where ids are remembered, then where its ULID says, then in what is newest."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from ipc.protocol import codec
from ipc.protocol.frames import closed
from ipc.protocol.ids import ulid_ms
from ipc.protocol.routing import BROADCAST
from ipc.protocol.services import SERVICES
from ipc.stores import keys
from ipc.stores.connection import translated_errors
from ipc.stores.eventlog import EventLog
from ipc.stores.stream_scan import Condition, Range, scan

LOGS: Final = (BROADCAST, *SERVICES)
SEARCH_S: Final = 2.0
MAX_SEARCHED: Final = 20_000
MAX_SIGHTINGS: Final = 40
# The emitter's clock may be behind that of Redis, and its event may have waited: for a retry, or in an outbox.
BEFORE_MS: Final = 5_000
AFTER_MS: Final = 60_000
CLOCKS_APART_MS: Final = 3_600_000
_ULID_LENGTH: Final = 26


class Head(msgspec.Struct, frozen=True):
    """What the frame of an event begins with."""

    id: str
    event: str
    source: str
    target: str | list[str]
    ts: int


@dataclass(frozen=True, slots=True)
class Sighting:
    """A place where an event is, with its frame, or was: then there is no head, and perhaps no source."""

    log: str
    position: str
    source: str | None
    head: Head | None
    frame: str = ""


@dataclass(frozen=True, slots=True)
class Search:
    """Where an event was seen, how many others were looked at, and whether that was all there are."""

    sightings: list[Sighting]
    looked: int = 0
    is_whole: bool = True


def head_of(frame: str) -> Head:
    """Return the head of an event whose frame is as in `Entry`."""
    return msgspec.json.decode(closed(frame), type=Head)


class EventSearch:
    """The search in the logs of one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._eventlog = EventLog(redis)

    async def at(self, log: str, position: str) -> Sighting:
        """Return what is at a place.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"read {log}"):
            rows: Any = await self._redis.xrange(keys.log(log), min=position, max=position)
        frame = rows[0][1][b"f"].decode() if rows else ""
        head = head_of(frame) if frame else None
        return Sighting(log, position, head.source if head else None, head, frame)

    async def last(self, log: str) -> str:
        """Return the last position of a log.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        (position,) = await self._eventlog.last_positions([log])
        return position

    async def find(self, event_id: str, *, source: str | None = None) -> Search:
        """Look for an event, of one source or of any, for two seconds at most.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        sources = SERVICES if source is None else (source,)
        remembered = await self._eventlog.positions_of(event_id, logs=LOGS, sources=sources)
        if remembered:
            sightings = [await self.at(log, position) for log, _, position in remembered[:MAX_SIGHTINGS]]
            named = [replace(seen, source=of) for seen, (_, of, _) in zip(sightings, remembered, strict=False)]
            return Search(named)
        until = time.monotonic() + SEARCH_S
        made_ms = ulid_ms(event_id)
        looked = 0
        if made_ms is not None:
            around = Range(first=str(max(0, made_ms - BEFORE_MS)), last=str(made_ms + AFTER_MS))
            search = await self._look(event_id, source, around, until)
            if search.sightings:
                return search
            looked = search.looked
        # An id that the bridge has made begins with its session's, and no event of it is older than that.
        begun_ms = ulid_ms(event_id[:_ULID_LENGTH])
        oldest = "-" if begun_ms is None else str(max(0, begun_ms - CLOCKS_APART_MS))
        search = await self._look(event_id, source, Range(first=oldest, newest_first=True), until)
        return Search(search.sightings, looked + search.looked, search.is_whole)

    async def _look(self, event_id: str, source: str | None, part: Range, until: float) -> Search:
        beginning = Condition("f", "^", f'{{"type":"event","id":{codec.encode_json(event_id)},')
        sightings: list[Sighting] = []
        looked, is_whole = 0, True
        for log in LOGS:
            found = await scan(
                self._redis,
                keys.log(log),
                part,
                [beginning],
                max_entries=MAX_SEARCHED,
                max_found=2,
                until=until,
            )
            looked += found.looked
            is_whole &= found.is_whole
            sightings += [await self.at(log, position) for position in found.found]
        return Search(_of_source(sightings, source), looked, is_whole)


def _of_source(sightings: Sequence[Sighting], source: str | None) -> list[Sighting]:
    return [seen for seen in sightings if seen.head is not None and source in {None, seen.source}]
