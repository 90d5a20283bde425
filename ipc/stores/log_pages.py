"""Looking into the logs: the events of one or of several, in the order in which they came, a bounded page at a time."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final

from redis.asyncio import Redis

from ipc.protocol.positions import position_key
from ipc.stores import keys
from ipc.stores.connection import Script, run_scripts, translated_errors
from ipc.stores.event_filter import EventFilter
from ipc.stores.eventlog import Entry
from ipc.stores.stream_scan import Range

READ_COUNT: Final = 250
READ_BYTES: Final = 512 * 1024
MAX_LOOKED: Final = 2_000
"""How many entries of one log a page costs at most; where that is not enough, the next page goes on there."""
_PAGE: Final = Script(resources.files("ipc.stores").joinpath("scripts/page.lua").read_text())


@dataclass(frozen=True, slots=True)
class Part:
    """Entries in the order in which they were read, and whether that was the whole range."""

    entries: list[Entry]
    is_whole: bool


@dataclass(frozen=True, slots=True)
class Found:
    """An event and the log it is in."""

    log: str
    entry: Entry


@dataclass(frozen=True, slots=True)
class LogPage:
    """Events of logs, newest first.

    ``upto`` is the position, over all of the logs, before which nothing was looked at; None where there is nothing
    more. A page may have fewer events than were asked for, even none, and still say that. ``looked`` counts all that
    were looked at, ``undecided`` those on which the condition could not be evaluated.
    """

    events: list[Found]
    upto: str | None
    looked: int
    undecided: int


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found in one log, and up to where it was looked at; None for to its end."""

    events: list[Found]
    upto: str | None
    looked: int
    undecided: int


def before(logs: Iterable[str], position: str = "") -> dict[str, Range]:
    """Return the parts of some logs before a position, or all of them."""
    return dict.fromkeys(logs, Range(last=f"({position}" if position else "+", newest_first=True))


async def read_part(redis: Redis, stream: str, part: Range, *, count: int, size: int) -> Part:
    """Read a part of a stream: at most so many entries, and none more once they have so many bytes.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    (found,) = await read_parts(redis, {stream: part}, count=count, size=size)
    return found


async def read_parts(redis: Redis, parts: Mapping[str, Range], *, count: int, size: int) -> list[Part]:
    """Read a part of each of some streams in one round trip, each bounded as by `read_part`.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    calls = [([stream], _bounds(part, count, size)) for stream, part in parts.items()]
    async with translated_errors(f"read {', '.join(parts)}"):
        replies = await run_scripts(redis, _PAGE, calls)
    return [_part(*reply) for reply in replies]


def _bounds(part: Range, count: int, size: int) -> list[str | int]:
    return ["newest" if part.newest_first else "oldest", part.first, part.last, count, size]


def _part(whole: int, *words: bytes) -> Part:
    texts = [word.decode() for word in words]
    return Part([Entry(*texts[at : at + 3]) for at in range(0, len(texts), 3)], bool(whole))


class LogPages:
    """The logs of one Redis, looked at backwards."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def page(
        self,
        parts: Mapping[str, Range],
        wanted: EventFilter,
        *,
        count: int,
        max_looked: int = MAX_LOOKED,
    ) -> LogPage:
        """Return the newest events of parts of some logs.

        Args:
            parts: which part of which log.
            wanted: which events are meant.
            count: how many at most; those at one position stay together.
            max_looked: how many entries of each log may be looked at.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        streams = {keys.log(log): part for log, part in parts.items()}
        begins = await read_parts(self._redis, streams, count=READ_COUNT, size=READ_BYTES)
        looks = [
            await self._look(log, part, some, wanted, count, max_looked)
            for (log, part), some in zip(parts.items(), begins, strict=True)
        ]
        return _merged(looks, count)

    async def _look(self, log: str, part: Range, some: Part, wanted: EventFilter, count: int, max_looked: int) -> _Look:
        events: list[Found] = []
        looked = undecided = 0
        while True:
            for entry in some.entries:
                looked += 1
                holds = bool(entry.frame) and await wanted.holds_for(entry)
                if holds is None:
                    undecided += 1
                elif holds:
                    events.append(Found(log, entry))
                    if len(events) > count:
                        return _Look(events, entry.position, looked, undecided)
            if some.is_whole:
                return _Look(events, None, looked, undecided)
            if looked >= max_looked:
                return _Look(events, some.entries[-1].position, looked, undecided)
            part = part.beyond(some.entries[-1].position)
            some = await read_part(self._redis, keys.log(log), part, count=READ_COUNT, size=READ_BYTES)


def _merged(looks: Sequence[_Look], count: int) -> LogPage:
    """Return the newest of what was found; nothing that is older than what was not looked at in another log."""
    stops = [look.upto for look in looks if look.upto is not None]
    upto = max(stops, key=position_key, default=None)
    found = [event for look in looks for event in look.events]
    found.sort(key=lambda event: (position_key(event.entry.position), event.log), reverse=True)
    if upto is not None:
        found = [event for event in found if position_key(event.entry.position) >= position_key(upto)]
    if len(found) > count:
        upto = found[count - 1].entry.position
        found = [event for event in found if position_key(event.entry.position) >= position_key(upto)]
    looked, undecided = sum(look.looked for look in looks), sum(look.undecided for look in looks)
    return LogPage(found, upto, looked, undecided)
