"""The delivery ledger: what each group has done with an event.

Most of it Redis knows anyhow: how far a group has read, what is pending and for how long, its dead letters. Written
besides are what is done with (one entry for each exchange), what takes long or waits for a retry, and what groups want.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from msgspec.structs import replace
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from ipc.protocol.delivery_status import GroupFacts, Held, Letter, Note, Receipt, wants
from ipc.protocol.positions import position_key
from ipc.protocol.routing import BROADCAST
from ipc.stores import keys
from ipc.stores.connection import Command, execute, translated_errors
from ipc.stores.dead_letters import MAX_DEAD
from ipc.stores.event_search import EventSearch, Search, Sighting
from ipc.stores.group_definitions import GroupDefinitions, definition_key, definitions_in, parts
from ipc.stores.groups import SERVING_TTL_S, group_rows
from ipc.stores.ledger_record import LOST, MAX_RECORDS, place, receipt
from ipc.stores.stream_scan import Condition, Range, scan

MAX_GROUPS: Final = 200
LOOK_UP_S: Final = 2.0
NOTES_TTL_S: Final = 14 * 86_400
_PAGE: Final = 500
_COUNTED: Final = 1_000
_COMMANDS_A_GROUP: Final = 4


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the groups at one place, whether there are more groups, and the time of Redis."""

    groups: list[GroupFacts]
    has_more: bool
    now_ms: int


class Ledger(GroupDefinitions):
    """The ledger in one Redis. ``name`` is ``<service>/<group>`` in all methods."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self._search = EventSearch(redis)

    # Writing

    async def note(self, name: str, notes: Mapping[str, Note], settled: Sequence[str] = ()) -> None:
        """Write notes, by places in logs, and drop those of places that are settled.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        commands: list[Command] = [("HDEL", keys.notes(name), *settled)] if settled else []
        if notes:
            words = [word for field, note in notes.items() for word in (field, msgspec.json.encode(note))]
            commands += [("HSET", keys.notes(name), *words), ("EXPIRE", keys.notes(name), NOTES_TTL_S)]
        await self._write(name, *commands)

    async def lost(self, name: str, log: str, positions: Sequence[str]) -> None:
        """Write down which events a group was given that are gone from the log and from its hub.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        words = " ".join([log, *positions])
        await self._write(name, ("XADD", keys.ledger(name), "MAXLEN", "~", MAX_RECORDS, "*", LOST, words))

    async def forget(self, name: str) -> None:
        """Delete what was written of a group.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        await self._write(name, ("DEL", keys.ledger(name), keys.notes(name), definition_key(name)))

    # Reading

    async def at(self, log: str, position: str) -> Sighting:
        """Return what is at a place.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        return await self._search.at(log, position)

    async def last(self, log: str) -> str:
        """Return the last position of a log.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        return await self._search.last(log)

    async def find(self, event_id: str, *, source: str | None = None) -> Search:
        """Look for an event, of one source or of any.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        return await self._search.find(event_id, source=source)

    async def facts(self, log: str, position: str, event: str | None, *, only: str | None = None) -> Facts:
        """Return what is known of the groups of a log and one place in it; ``only`` of the group of that name.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"read the groups of {log}"):
            found = await self._groups_of(log)
            dead: Any = await self._redis.smembers(keys.DEAD_GROUPS)
        forgotten = {name for name in (member.decode() for member in dead) if _hears(name, log)} - found.keys()
        names = sorted(name for name in (*found, *forgotten) if only in {None, name})
        basics, now_ms = await self._basics(log, position, {name: found.get(name) for name in names[:MAX_GROUPS]})
        until = time.monotonic() + LOOK_UP_S
        groups = [await self._completed(facts, event, until) for facts in basics]
        is_known = [facts for facts in groups if not facts.is_forgotten or facts.letter is not None]
        return Facts(is_known, len(names) > MAX_GROUPS, now_ms)

    async def _groups_of(self, log: str) -> dict[str, str]:
        """Return how far each group of a log has read."""
        rows = await group_rows(self._redis, log)
        return {row["name"].decode(): row["last-delivered-id"].decode() for row in rows}

    async def _basics(self, log: str, position: str, groups: Mapping[str, str | None]) -> tuple[list[GroupFacts], int]:
        """Return what is known of groups in one round trip, and the time of Redis."""
        async with translated_errors(f"read the groups of {log}"):
            seconds, microseconds = await self._redis.time()
            now_ms = seconds * 1000 + microseconds // 1000
            oldest_ms = now_ms - int(SERVING_TTL_S * 1000)
            commands: list[Command] = [("XRANGE", keys.log(log), position, position, "COUNT", 1)]
            for name in groups:
                commands += [
                    ("XPENDING", keys.log(log), name, position, position, 1),
                    ("HGET", keys.notes(name), place(log, position)),
                    ("HGETALL", definition_key(name)),
                    ("ZRANGEBYSCORE", keys.serving(*parts(name)), oldest_ms, "+inf"),
                ]
            entries, *replies = await execute(self._redis, *commands)
        found = []
        for index, (name, last_delivered) in enumerate(groups.items()):
            pending, note, definition, hubs = replies[index * _COMMANDS_A_GROUP : (index + 1) * _COMMANDS_A_GROUP]
            service, group = parts(name)
            began, definitions = definitions_in(definition, log)
            facts = GroupFacts(
                service=service,
                group=group,
                log=log,
                position=position,
                in_log=bool(entries),
                last_delivered=last_delivered or position,
                hubs=frozenset(hub.decode() for hub in hubs),
                now_ms=now_ms,
                held=_held(pending),
                note=msgspec.json.decode(note, type=Note) if note else None,
                began=began,
                definitions=definitions,
                is_forgotten=last_delivered is None,
            )
            found.append(facts)
        return found, now_ms

    async def _completed(self, facts: GroupFacts, event: str | None, until: float) -> GroupFacts:
        """Add what takes more to find out, where it is needed: how many are before it, or what became of it."""
        if facts.held is not None:
            return facts
        if not facts.is_read:
            return replace(facts, ahead=await self._ahead(facts, until)) if facts.in_log else facts
        if not facts.is_forgotten:
            if wants(facts, event) is False:
                return facts
            found, is_recorded = await self._receipt(facts, until)
            if found is not None:
                return replace(facts, receipt=found)
            facts = replace(facts, is_recorded=is_recorded)
        return replace(facts, letter=await self._letter(facts, until))

    async def _ahead(self, facts: GroupFacts, until: float) -> int | None:
        between = Range(first=f"({facts.last_delivered}", last=f"({facts.position}")
        found = await scan(self._redis, keys.log(facts.log), between, [], max_entries=_COUNTED, until=until)
        return found.looked if found.is_whole else None

    async def _receipt(self, facts: GroupFacts, until: float) -> tuple[Receipt | None, bool]:
        """Return what is on record of an event, and whether all of the record since then was looked at."""
        stream, start = keys.ledger(f"{facts.service}/{facts.group}"), str(position_key(facts.position)[0])
        async with translated_errors(f"read {stream}"):
            try:
                about: Any = await self._redis.xinfo_stream(stream)
            except ResponseError as error:
                if "no such key" not in str(error).lower():
                    raise
                return None, True
            is_whole = about["entries-added"] == about["length"]
            if about["first-entry"]:
                is_whole |= position_key(about["first-entry"][0].decode())[0] <= int(start)
            while time.monotonic() < until:
                rows: Any = await self._redis.xrange(stream, min=start, count=_PAGE)
                for entry_id, fields in rows:
                    found = receipt(entry_id.decode(), fields, facts.log, facts.position, facts.service)
                    if found is not None:
                        return found, is_whole
                if len(rows) < _PAGE:
                    return None, is_whole
                start = f"({rows[-1][0].decode()}"
        return None, False

    async def _letter(self, facts: GroupFacts, until: float) -> Letter | None:
        """Return the dead letter of an event, also a discarded one."""
        since = Range(first=f"{position_key(facts.position)[0]}-0", newest_first=True)
        wanted = [Condition("position", "=", facts.position), Condition("log", "=", facts.log)]
        for stream in (keys.dead(facts.service, facts.group), keys.discarded(facts.service, facts.group)):
            found = await scan(self._redis, stream, since, wanted, max_entries=2 * MAX_DEAD, until=until)
            for position in found.found:
                async with translated_errors(f"read {stream}"):
                    rows: Any = await self._redis.xrange(stream, min=position, max=position)
                for _, fields in rows:
                    return _letter(facts, position, fields)
        return None


def _hears(name: str, log: str) -> bool:
    return log in {BROADCAST, name.partition("/")[0], name}


def _held(reply: Any) -> Held | None:
    # A group that was forgotten a moment ago is answered with an error.
    for row in reply if isinstance(reply, list) else ():
        return Held(row[1].decode(), int(row[2]), int(row[3]))
    return None


def _letter(facts: GroupFacts, position: str, fields: Mapping[bytes, bytes]) -> Letter:
    letter = fields.get(b"letter", position.encode()).decode()
    return Letter(
        id=f"{facts.service}/{facts.group}/{letter}",
        error=fields[b"error"].decode(),
        attempts=int(fields[b"attempts"]),
        last_ms=int(fields[b"last_ms"]),
        instance=fields[b"instance"].decode(),
        discarded_by=fields.get(b"by", b"").decode(),
        discard_reason=fields.get(b"reason", b"").decode(),
    )
