"""The logs: Redis Streams that events are appended to before anybody hears of them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Final, Literal

import msgspec
from redis.asyncio import Redis

from ipc.protocol.positions import START, position_key
from ipc.stores import keys
from ipc.stores.connection import Script, execute, run_script, translated_errors

Gap = Literal["trimmed", "unknown_position"]

REMEMBER_IDS_MS: Final = 5 * 60 * 1000
_APPEND: Final = Script(resources.files("ipc.stores").joinpath("scripts/append.lua").read_text())


class NewEvent(msgspec.Struct, array_like=True):
    """An event to append: the emitter's id if repeats are to be dropped (else empty), its name and its frame."""

    idempotency_key: str
    event: str
    frame: str


class Entry(msgspec.Struct, frozen=True):
    """An event in a log; ``frame`` is the ``event`` message without its last members and its closing brace."""

    position: str
    event: str
    frame: str


@dataclass(frozen=True, slots=True)
class Reading:
    """Events read after a position, and why that may not be all of them.

    ``gap`` is None when the event at the position is still in the log, when it is the last one, or when the oldest
    event that is left came directly after it: then no event between the position and the first entry is missing.
    """

    entries: list[Entry]
    gap: Gap | None


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a batch: the last position before it, and each event's position in the order given.

    ``repeated`` has the indexes of events that had been appended earlier; their position is the first one.
    """

    prev: str
    positions: list[str]
    repeated: frozenset[int]


class EventLog:
    """The logs of one Redis.

    Args:
        redis: the client.
        maxlen: events a log keeps at least; Redis trims whole nodes, so it keeps a few more (XTRIM, "nearly exact").
        ttl_s: seconds after which events are trimmed by `trim`.

    """

    def __init__(self, redis: Redis, *, maxlen: int = 100_000, ttl_s: int = 86_400) -> None:
        self._redis = redis
        self._maxlen = maxlen
        self._ttl_s = ttl_s

    async def append(self, log: str, events: Sequence[NewEvent]) -> Appended:
        """Append events to a log in one round trip, each idempotency key once in five minutes.

        Raises:
            UnavailableError: Redis could not be asked, nothing was appended as far as is known.
            DeadlineError: no answer, the events may have been appended.

        """
        args: list[bytes | str | int] = [
            self._maxlen,
            REMEMBER_IDS_MS,
            keys.seen_prefix(log),
            msgspec.msgpack.encode(events),
        ]
        async with translated_errors(f"append to {log}"):
            reply: bytes = await run_script(self._redis, _APPEND, [keys.log(log), keys.last(log)], args)
        prev, *positions = reply.decode().split()
        repeated = frozenset(index for index, position in enumerate(positions) if position[0] == "=")
        return Appended(prev, [position.lstrip("=") for position in positions], repeated)

    async def positions_of(
        self, event_id: str, *, logs: Sequence[str], sources: Sequence[str]
    ) -> list[tuple[str, str, str]]:
        """Return where the events with an emitter's id are that are remembered: log, source and position.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("look for an event's id"):
            seconds, _ = await self._redis.time()
            window = seconds * 1000 * 2 // REMEMBER_IDS_MS
            fields = [f"{source}/{event_id}" for source in sources]
            asked = [(log, window - age) for log in logs for age in range(3)]
            replies = await execute(
                self._redis, *(("HMGET", f"{keys.seen_prefix(log)}{number}", *fields) for log, number in asked)
            )
        found = {
            (log, source): position.decode()
            for (log, _), reply in zip(asked, replies, strict=True)
            for source, position in zip(sources, reply, strict=True)
            if position is not None
        }
        return [(log, source, position) for (log, source), position in found.items()]

    async def last_positions(self, logs: Sequence[str]) -> list[str]:
        """Return the last position of each log, ``0-0`` for one that nothing was ever appended to.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("read the last positions"), self._redis.pipeline(transaction=False) as pipe:
            for log in logs:
                pipe.get(keys.last(log))
            replies = await pipe.execute()
        return [START if reply is None else reply.decode() for reply in replies]

    async def lengths(self, logs: Sequence[str]) -> list[int]:
        """Return how many events each log has.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("read the lengths of logs"), self._redis.pipeline(transaction=False) as pipe:
            for log in logs:
                pipe.xlen(keys.log(log))
            lengths: list[int] = await pipe.execute()
        return lengths

    async def read(self, log: str, *, after: str, until: str = "+", count: int = 500) -> Reading:
        """Return at most ``count`` events after a position, oldest first, and whether events before them are missing.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"read {log}"), self._redis.pipeline(transaction=True) as pipe:
            pipe.get(keys.last(log))
            pipe.xrange(keys.log(log), min=after, max=after, count=1)
            pipe.xrange(keys.log(log), count=1)
            pipe.xrange(keys.log(log), min=f"({after}", max=until, count=count)
            last, found, oldest, rows = await pipe.execute()
        entries = [Entry(position.decode(), fields[b"e"].decode(), fields[b"f"].decode()) for position, fields in rows]
        last_position = START if last is None else last.decode()
        trimmed_up_to = _before(*oldest[0]) if oldest else last_position
        if found or after in {last_position, trimmed_up_to}:
            return Reading(entries, None)
        is_trimmed = position_key(after) < position_key(trimmed_up_to)
        return Reading(entries, "trimmed" if is_trimmed else "unknown_position")

    async def gap_after(self, log: str, position: str) -> Gap | None:
        """Return why events after the position are missing from the log, or None when all of them are there.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        return (await self.read(log, after=position, count=1)).gap

    async def position_before(self, log: str, moment_ms: int) -> str:
        """Return the position after which the events since a moment come, or all that are left if some are gone.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"look into {log}"), self._redis.pipeline(transaction=True) as pipe:
            pipe.get(keys.last(log))
            pipe.xrange(keys.log(log), count=1)
            pipe.xrevrange(keys.log(log), max=max(0, moment_ms - 1), count=1)
            last, oldest, before = await pipe.execute()
        if before:
            return str(before[0][0].decode())
        return _before(*oldest[0]) if oldest else START if last is None else str(last.decode())

    async def trim(self, log: str) -> None:
        """Drop the events of a log that are older than its age.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        oldest_ms = int((time.time() - self._ttl_s) * 1000)
        async with translated_errors(f"trim {log}"):
            await self._redis.xtrim(keys.log(log), minid=f"{oldest_ms}-0", approximate=True)


def _before(position: bytes, fields: Mapping[bytes, bytes]) -> str:
    """Return the position of the entry before one; only the first of a batch says it, the others continue it."""
    if b"p" in fields:
        return fields[b"p"].decode()
    ms, seq = position_key(position.decode())
    # Without a sequence number the batch went on in the next millisecond (Redis before 7.2), so this one only is sure.
    return f"{ms}-{max(0, seq - 1)}"
