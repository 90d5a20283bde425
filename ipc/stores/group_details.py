"""One group in detail: its parts in each log, what is pending where, and what its hubs have noted."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from ipc.protocol.delivery_status import Definition, Note
from ipc.protocol.routing import is_own_log, logs_of_group
from ipc.stores import keys
from ipc.stores.connection import Command, execute, translated_errors
from ipc.stores.event_search import Head, head_of
from ipc.stores.group_definitions import GroupDefinitions
from ipc.stores.groups import group_rows
from ipc.stores.ledger_record import place

MAX_CONSUMERS: Final = 100


@dataclass(frozen=True, slots=True)
class Consumer:
    """A hub that has members of a group, or had; ``idle_ms`` is since it last asked for something."""

    hub: str
    pending: int
    idle_ms: int
    is_serving: bool


@dataclass(frozen=True, slots=True)
class GroupPart:
    """A group on one log: how far it has read, and its consumers."""

    log: str
    pending: int
    lag: int | None
    last_delivered: str
    consumers: list[Consumer]


@dataclass(frozen=True, slots=True)
class GroupDetails:
    """The parts of a group, one for each log that it is on, and what it wants by what its hubs have said last."""

    parts: list[GroupPart]
    definition: Definition | None


@dataclass(frozen=True, slots=True)
class PendingEntry:
    """An event that a hub was given and has not acknowledged; without a head where the log has dropped it."""

    log: str
    position: str
    hub: str
    idle_ms: int
    attempts: int
    head: Head | None
    note: Note | None


async def group_details(redis: Redis, service: str, group: str) -> GroupDetails:
    """Return what Redis knows of a group; no parts where there is no such group.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    name = f"{service}/{group}"
    async with translated_errors(f"read group {name}"):
        serving: Any = await redis.zrange(keys.serving(service, group), 0, -1)
        hubs = {hub.decode() for hub in serving}
        found = [
            await _part(redis, log, name, row, hubs)
            for log in logs_of_group(service, group)
            for row in await group_rows(redis, log)
            if row["name"].decode() == name
        ]
    (definitions,) = await GroupDefinitions(redis).definitions([name])
    return GroupDetails(found, max(definitions, default=None))


async def pending_entries(
    redis: Redis, service: str, group: str, log: str, *, count: int, after: str = ""
) -> list[PendingEntry]:
    """Return events of one log that are pending in a group, at whichever hub, oldest first, after a position.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    name = f"{service}/{group}"
    start = f"({after}" if after else "-"
    async with translated_errors(f"read what is pending in {name}"):
        (rows,) = await execute(redis, ("XPENDING", keys.log(log), name, start, "+", count))
        if not isinstance(rows, list) or not rows:
            return []
        positions = [row[0].decode() for row in rows]
        commands: list[Command] = [("XRANGE", keys.log(log), each, each) for each in positions]
        notes: Command = ("HMGET", keys.notes(name), *(place(log, each) for each in positions))
        *entries, noted = await execute(redis, *commands, notes)
    return [
        PendingEntry(
            log=log,
            position=row[0].decode(),
            hub=row[1].decode(),
            idle_ms=int(row[2]),
            attempts=int(row[3]),
            head=_head(entry),
            note=None if note is None else msgspec.json.decode(note, type=Note),
        )
        for row, entry, note in zip(rows, entries, noted, strict=True)
    ]


async def _part(redis: Redis, log: str, name: str, row: Any, serving: set[str]) -> GroupPart:
    consumers: Sequence[Any] = await redis.xinfo_consumers(keys.log(log), name)
    lag = row["lag"]
    if is_own_log(log):
        # What is done is deleted from it, which Redis cannot count over.
        lag = int(await redis.xlen(keys.log(log))) - row["pending"]
    return GroupPart(
        log=log,
        pending=row["pending"],
        lag=lag,
        last_delivered=row["last-delivered-id"].decode(),
        consumers=[
            Consumer(each["name"].decode(), each["pending"], each["idle"], each["name"].decode() in serving)
            for each in consumers[:MAX_CONSUMERS]
        ],
    )


def _head(entry: Any) -> Head | None:
    for _, flat in entry if isinstance(entry, list) else ():
        frame = dict(zip(flat[::2], flat[1::2], strict=True)).get(b"f", b"").decode()
        return head_of(frame) if frame else None
    return None
