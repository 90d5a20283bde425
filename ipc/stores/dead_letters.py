"""Dead letters: what a group has given up, as a stream for each group, with a way back and a way out.

A letter that is redriven moves into the group's own log, which only that group reads, so nobody else gets the event
a second time. One that is discarded is deleted, and a capped stream keeps who did it, when and why.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from importlib import resources
from itertools import groupby
from typing import Any, Final

from redis.asyncio import Redis

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.routing import is_own_log, own_log
from ipc.protocol.services import SERVICES
from ipc.stores import keys
from ipc.stores.connection import Script, execute, run_script, translated_errors
from ipc.stores.dead_letter import Buried, DeadLetter, Discarded, Page, buried_of, discarded_of
from ipc.stores.dead_letter_filter import DeadLetterFilter, LetterId
from ipc.stores.groups import group_rows
from ipc.stores.ledger_record import MAX_RECORDS

MAX_DEAD: Final = 10_000
MAX_DISCARDED: Final = 10_000
READ_COUNT: Final = 100
SHOWN: Final = 20
LOOK_COUNT: Final = 20
"""So many are looked at before others have their turn: an event has up to 256 KiB."""
MAX_LOOKED: Final = 2_000
_REDRIVE: Final = Script(resources.files("ipc.stores").joinpath("scripts/redrive.lua").read_text())
_DISCARD: Final = Script(resources.files("ipc.stores").joinpath("scripts/discard.lua").read_text())


class DeadLetters:
    """The dead letters of all groups in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def bury(self, service: str, group: str, letter: DeadLetter) -> None:
        """Put an event among the group's dead letters, and acknowledge it.

        A crash in between leaves it pending, to be delivered once more: a dead letter may be there twice, never not.

        Raises:
            UnavailableError: Redis is out of reach; it is pending still.

        """
        fields: dict[Any, Any] = {name: getattr(letter, name) for name in DeadLetter.__slots__}
        async with translated_errors(f"bury in group {group}"):
            await self._redis.sadd(keys.DEAD_GROUPS, f"{service}/{group}")
            await self._redis.xadd(keys.dead(service, group), fields, maxlen=MAX_DEAD, approximate=True)
            await self._redis.xack(keys.log(letter.log), f"{service}/{group}", letter.position)
            if is_own_log(letter.log):
                await self._redis.xdel(keys.log(letter.log), letter.position)

    async def groups(self) -> list[tuple[str, str]]:
        """Return the service and name of all groups that have ever had a dead letter, sorted.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("list the groups with dead letters"):
            names: Any = await self._redis.smembers(keys.DEAD_GROUPS)
        pairs = (name.decode().partition("/") for name in names)
        return sorted((service, group) for service, _, group in pairs)

    async def check_known(self, wanted: DeadLetterFilter) -> None:
        """See that the group that a filter names has dead letters, or had, or is there.

        Raises:
            BadMessageError: NOT_FOUND, it is none of the kind.
            UnavailableError: Redis is out of reach.

        """
        if not wanted.group:
            return
        known = await self.groups()
        if any(wanted.wants_group(*pair) for pair in known):
            return
        for service in [wanted.service] if wanted.service else SERVICES:
            if not await self._is_forgotten(service, wanted.group):
                return
        whose = f" of {wanted.service}" if wanted.service else ""
        there = ", ".join(f"{group} of {service}" for service, group in known[:SHOWN]) or "none"
        raise BadMessageError(
            f"there is no group {wanted.group}{whose}; those that have had dead letters are: {there}",
            code=ErrorCode.NOT_FOUND,
        )

    async def count(self, service: str, group: str) -> int:
        """Return how many dead letters a group has.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"count dead letters of {group}"):
            return int(await self._redis.xlen(keys.dead(service, group)))

    async def counts(self) -> list[tuple[str, str, int]]:
        """Return all groups that have dead letters, by service and name, each with how many.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        groups = await self.groups()
        async with translated_errors("count dead letters"):
            lengths = await execute(self._redis, *(("XLEN", keys.dead(*group)) for group in groups)) if groups else []
        return [(*group, length) for group, length in zip(groups, lengths, strict=True) if length]

    async def find(
        self, wanted: DeadLetterFilter, *, limit: int, after: LetterId | None = None, max_looked: int | None = None
    ) -> Page:
        """Return at most ``limit`` dead letters, by service and group and then oldest first, after one of them.

        Args:
            wanted: which are meant.
            limit: how many at most.
            after: where the page before has ended.
            max_looked: how many may be looked at, where others wait for it; the next page goes on from there.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        found: list[Buried] = []
        looked = undecided = 0
        for service, group in await self.groups():
            if not wanted.wants_group(service, group) or (after and (service, group) < (after.service, after.group)):
                continue
            start = after.position if after and (service, group) == (after.service, after.group) else None
            async for buried in self._read(service, group, wanted, start):
                if looked == max_looked:
                    return Page(found, after, undecided)
                looked += 1
                event_id = buried.content.id if wanted.ids else ""
                is_meant = wanted.wants(buried.id, buried.letter.event, event_id, buried.letter.error)
                holds = is_meant and (wanted.where is None or await wanted.holds_for(buried.facts))
                if holds and len(found) == limit:
                    return Page(found, after, undecided)
                if holds is None:
                    undecided += 1
                elif holds:
                    found.append(buried)
                after = buried.id
        return Page(found, None, undecided)

    async def get(self, letter_id: LetterId) -> Buried:
        """Return one dead letter.

        Raises:
            BadMessageError: NOT_FOUND, it is not there, or not any more.
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"read the dead letter {letter_id}"):
            rows: Any = await self._redis.xrange(
                keys.dead(letter_id.service, letter_id.group), min=letter_id.position, max=letter_id.position
            )
        if not rows:
            raise BadMessageError(
                f"there is no dead letter {letter_id}: it was redriven or discarded, or never was",
                code=ErrorCode.NOT_FOUND,
            )
        return buried_of(letter_id.service, letter_id.group, rows[0])

    async def redrive(self, letters: Sequence[LetterId]) -> list[LetterId]:
        """Deliver dead letters to their groups again, as a first attempt, and return which.

        Those that are not there any more are left out, and those for which the group's own log has no room: it holds
        no more than 10,000 events that are not done.

        Raises:
            BadMessageError: NOT_FOUND, a group is forgotten, so nobody would get them; nothing of it was moved.
            UnavailableError: Redis is out of reach.

        """
        moved: list[LetterId] = []
        for service, group, positions in _batches(letters):
            if await self._is_forgotten(service, group):
                raise BadMessageError(
                    f"there is no group {group} of {service} any more, so nobody would get the events: a member has "
                    "to subscribe first",
                    code=ErrorCode.NOT_FOUND,
                )
            ledger = keys.ledger(f"{service}/{group}")
            streams = [keys.dead(service, group), keys.log(own_log(service, group)), ledger]
            async with translated_errors(f"redrive dead letters of {group}"):
                counts = [MAX_DEAD, MAX_RECORDS]
                reply: list[bytes] = await run_script(self._redis, _REDRIVE, streams, [*counts, *positions])
            moved += [LetterId(service, group, position.decode()) for position in reply]
        return moved

    async def orphans(self, letters: Sequence[LetterId]) -> list[LetterId]:
        """Return those letters whose group is forgotten, which nobody would get.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        groups = {(letter.service, letter.group) for letter in letters}
        forgotten = {pair for pair in sorted(groups) if await self._is_forgotten(*pair)}
        return [letter for letter in letters if (letter.service, letter.group) in forgotten]

    async def discard(self, letters: Sequence[LetterId], *, by: str, reason: str) -> list[LetterId]:
        """Delete dead letters for good, keep who did it and why, and return which were still there.

        Raises:
            BadMessageError: there is no reason.
            UnavailableError: Redis is out of reach.

        """
        if not reason.strip():
            raise BadMessageError("a dead letter is discarded for a reason: say which")

        gone: list[LetterId] = []
        for service, group, positions in _batches(letters):
            streams = [keys.dead(service, group), keys.discarded(service, group)]
            kept: list[bytes | str | int] = [MAX_DISCARDED, by, reason, *positions]
            async with translated_errors(f"discard dead letters of {group}"):
                reply: list[bytes] = await run_script(self._redis, _DISCARD, streams, kept)
            gone += [LetterId(service, group, position.decode()) for position in reply]
        return gone

    async def discarded(self, service: str, group: str, *, limit: int = 100) -> list[Discarded]:
        """Return what was discarded, latest first.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"read what was discarded of {group}"):
            rows: Any = await self._redis.xrevrange(keys.discarded(service, group), count=limit)
        return [discarded_of(row) for _, row in rows]

    async def _read(
        self, service: str, group: str, wanted: DeadLetterFilter, after: str | None
    ) -> AsyncIterator[Buried]:
        start = f"({after}" if after else wanted.first_position
        while True:
            async with translated_errors(f"read dead letters of {group}"):
                rows: Any = await self._redis.xrange(
                    keys.dead(service, group), min=start, max=wanted.last_position, count=LOOK_COUNT
                )
            for row in rows:
                yield buried_of(service, group, row)
            if len(rows) < LOOK_COUNT:
                return
            start = f"({rows[-1][0].decode()}"

    async def _is_forgotten(self, service: str, group: str) -> bool:
        async with translated_errors(f"look for group {group}"):
            return not await group_rows(self._redis, own_log(service, group))


def _batches(letters: Sequence[LetterId]) -> Iterator[tuple[str, str, list[str]]]:
    """Divide letters by their groups, and into what one script takes."""
    for (service, group), ids in groupby(sorted(letters), key=lambda letter: (letter.service, letter.group)):
        positions = [letter.position for letter in ids]
        for start in range(0, len(positions), READ_COUNT):
            yield service, group, positions[start : start + READ_COUNT]
