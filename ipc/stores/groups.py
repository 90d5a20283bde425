"""Durable groups: Redis consumer groups straight on the logs, one for each group of each service.

A consumer is a hub. What a hub has been given and not acknowledged stays in the group's list of pending entries, with
the number of times it was delivered, until it is acknowledged or another hub claims it (redis.io/docs, "Streams
tutorial", consumer groups).
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError
from ipc.protocol.routing import is_own_log
from ipc.stores import keys
from ipc.stores.connection import Command, execute, translated_errors
from ipc.stores.eventlog import Entry

SERVING_TTL_S: Final = 15


class GroupMissingError(IPCError):
    """The group does not exist on the log: it was forgotten, or Redis lost its data."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An entry that a consumer was given and has not acknowledged."""

    position: str
    consumer: str
    idle_ms: int
    attempts: int


class Groups:
    """The groups of one Redis. ``name`` is ``<service>/<group>`` in all methods."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def create(self, log: str, name: str, *, after: str = "$") -> None:
        """Create the group on a log, to begin after a position or at the end; one that exists stays as it is.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"create group {name}"):
            try:
                await self._redis.xgroup_create(keys.log(log), name, id=after, mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    async def destroy(self, log: str, name: str) -> None:
        """Delete the group on a log, with what is pending in it; its own log is deleted with it.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"forget group {name}"):
            if is_own_log(log):
                await self._redis.delete(keys.log(log))
            else:
                await self._redis.xgroup_destroy(keys.log(log), name)

    async def exchange(
        self, name: str, consumer: str, *, acks: Mapping[str, Sequence[str]], logs: Sequence[str], count: int
    ) -> list[tuple[str, Entry]]:
        """Acknowledge positions per log and take at most ``count`` new events of each of ``logs``, in one round trip.

        Raises:
            GroupMissingError: the group does not exist on one of the logs.
            UnavailableError: Redis is out of reach; nothing may be taken as acknowledged.

        """
        commands: list[Command] = [("XACK", keys.log(log), name, *positions) for log, positions in acks.items()]
        done = [("XDEL", keys.log(log), *positions) for log, positions in acks.items() if is_own_log(log)]
        take = ("XREADGROUP", "GROUP", name, consumer, "COUNT", count, "STREAMS")
        commands += done
        commands += [(*take, keys.log(log), ">") for log in logs]
        replies = await self._ask(f"read group {name}", name, *commands)
        entries: list[tuple[str, Entry]] = []
        for log, reply in zip(logs, replies[len(acks) + len(done) :], strict=True):
            entries += [(log, entry) for entry in _entries(reply)]
        return entries

    async def claim(
        self, log: str, name: str, consumer: str, positions: Sequence[str], *, min_idle_ms: int = 0
    ) -> list[Entry]:
        """Take pending entries over, which counts as another delivery; those that were trimmed meanwhile are missing.

        Raises:
            GroupMissingError: the group does not exist on the log.
            UnavailableError: Redis is out of reach.

        """
        command: Command = ("XCLAIM", keys.log(log), name, consumer, min_idle_ms, *positions)
        (reply,) = await self._ask(f"claim in group {name}", name, command)
        return [_entry(row) for row in reply if row is not None and row[1]]

    async def pending(self, log: str, name: str, consumer: str, *, count: int = 100, after: str = "-") -> list[Pending]:
        """Return pending entries of one consumer, oldest first.

        Raises:
            GroupMissingError: the group does not exist on the log.
            UnavailableError: Redis is out of reach.

        """
        start = after if after == "-" else f"({after}"
        command: Command = ("XPENDING", keys.log(log), name, start, "+", count, consumer)
        (reply,) = await self._ask(f"read group {name}", name, command)
        return [Pending(row[0].decode(), row[1].decode(), int(row[2]), int(row[3])) for row in reply or ()]

    async def consumers(self, log: str, name: str) -> dict[str, int]:
        """Return each consumer of the group on a log, with how many entries are pending at it.

        Raises:
            GroupMissingError: the group does not exist on the log.
            UnavailableError: Redis is out of reach.

        """
        (reply,) = await self._ask(f"read group {name}", name, ("XINFO", "CONSUMERS", keys.log(log), name))
        rows = [row if isinstance(row, dict) else dict(zip(row[::2], row[1::2], strict=True)) for row in reply]
        return {row[b"name"].decode(): int(row[b"pending"]) for row in rows}

    async def remove_consumer(self, log: str, name: str, consumer: str) -> None:
        """Delete a consumer that has nothing pending.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"tidy group {name}"):
            await self._redis.xgroup_delconsumer(keys.log(log), name, consumer)

    async def serving(self, service: str, group: str, hub: str) -> set[str]:
        """Say that a hub has members of the group, and return all hubs that said so within fifteen seconds.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        key, now = keys.serving(service, group), time.time()
        async with translated_errors(f"serve group {group}"), self._redis.pipeline(transaction=False) as pipe:
            pipe.zadd(key, {hub: now})
            pipe.zremrangebyscore(key, 0, now - SERVING_TTL_S)
            pipe.zrange(key, 0, -1)
            pipe.expire(key, 4 * SERVING_TTL_S)
            replies = await pipe.execute()
        return {hub.decode() for hub in replies[2]}

    async def stop_serving(self, service: str, group: str, hub: str) -> None:
        """Say that a hub has no members of the group any more, so that others take over what is pending at it.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"leave group {group}"):
            await self._redis.zrem(keys.serving(service, group), hub)

    async def _ask(self, doing: str, name: str, *commands: Command) -> list[Any]:
        async with translated_errors(doing):
            replies = await execute(self._redis, *commands)
            for reply in replies:
                if isinstance(reply, ResponseError):
                    raise _missing(name, reply) from reply
        return replies


def _missing(name: str, error: ResponseError) -> Exception:
    if "NOGROUP" in str(error) or "no such key" in str(error).lower():
        return GroupMissingError(f"there is no group {name}", code=ErrorCode.UNAVAILABLE)
    return error


def _entries(reply: Any) -> list[Entry]:
    if not reply:
        return []
    # A map in RESP3, a list of pairs in RESP2, and here one stream at most.
    rows = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
    return [_entry(row) for row in rows]


def _entry(row: Any) -> Entry:
    position, values = row
    fields = dict(zip(values[::2], values[1::2], strict=True))
    return Entry(position.decode(), fields[b"e"].decode(), fields[b"f"].decode())
