"""Durable groups: Redis consumer groups straight on the logs, one for each group of each service.

A consumer is a hub. What a hub has been given and not acknowledged stays in the group's list of pending entries, with
the number of times it was delivered, until it is acknowledged or another hub claims it (redis.io/docs, "Streams
tutorial", consumer groups).
"""

from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from ipc.protocol.routing import is_own_log
from ipc.stores import keys
from ipc.stores.connection import Command, Script, execute, run_script, translated_errors
from ipc.stores.eventlog import Entry
from ipc.stores.group_replies import (
    Claims,
    GroupMissingError,
    Pending,
    Serving,
    entries_of,
    entry_of,
    is_missing,
    refusal,
)
from ipc.stores.ledger_record import Acked, commands_for

SERVING_TTL_S: Final = 15.0
REMEMBER_HANDLED_S: Final = 24 * 3600
NOBODY: Final = "nobody"
"""The consumer at which is pending what a hub has left to others."""


def _script(name: str) -> Script:
    return Script(resources.files("ipc.stores").joinpath(f"scripts/{name}.lua").read_text())


_CLAIM: Final = _script("claim")
_HAND_OVER: Final = _script("hand_over")
_SERVE: Final = _script("serve")
_REMOVE_CONSUMER: Final = _script("remove_consumer")


class Groups:
    """The groups of one Redis. ``name`` is ``<service>/<group>`` in all methods.

    Args:
        redis: the client.
        serving_ttl_s: how long a hub counts as serving a group after it has said so.

    """

    def __init__(self, redis: Redis, *, serving_ttl_s: float = SERVING_TTL_S) -> None:
        self._redis = redis
        self._serving_ttl_ms = int(serving_ttl_s * 1000)

    async def create(self, log: str, name: str, *, after: str = "$") -> bool:
        """Create the group on a log, to begin after a position or at the end, and tell whether it is new.

        One that exists stays as it is.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"create group {name}"):
            try:
                await self._redis.xgroup_create(keys.log(log), name, id=after, mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise
                return False
        return True

    async def exists(self, log: str, name: str) -> bool:
        """Tell whether the group exists on a log.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        try:
            await self._ask(f"look for group {name}", name, ("XINFO", "CONSUMERS", keys.log(log), name))
        except GroupMissingError:
            return False
        return True

    async def names(self, log: str) -> frozenset[str]:
        """Return the groups that exist on a log.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"list the groups of {log}"):
            rows = await group_rows(self._redis, log)
        return frozenset(row["name"].decode() for row in rows)

    async def destroy(self, log: str, name: str) -> None:
        """Delete the group on a log, with what is pending in it; its own log is deleted with it.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"forget group {name}"):
            if is_own_log(log):
                await self._redis.delete(keys.log(log))
                return
            await self._redis.hdel(keys.lost(log), name, f"{name}|upto")
            try:
                await self._redis.xgroup_destroy(keys.log(log), name)
            except ResponseError as error:
                if not is_missing(error):
                    raise

    async def exchange(
        self,
        name: str,
        consumer: str,
        *,
        acks: Mapping[str, Sequence[str]],
        logs: Sequence[str],
        count: int,
        handled: Sequence[str] = (),
        acked: Sequence[Acked] = (),
        settled: Sequence[str] = (),
    ) -> list[tuple[str, Entry]]:
        """Acknowledge positions per log and take at most ``count`` new events of each of ``logs``, in one round trip.

        ``handled`` are keys to remember for a day, as `handled` asks for them; they are written before the positions
        are acknowledged, so a crash in between repeats nothing. So is what goes into the ledger: who has acknowledged
        what, and the places whose notes are dropped.

        Raises:
            GroupMissingError: the group does not exist on one of the logs.
            UnavailableError: Redis is out of reach; nothing may be taken as acknowledged.

        """
        commands: list[Command] = [("SET", keys.handled(name, key), "", "EX", REMEMBER_HANDLED_S) for key in handled]
        commands += commands_for(name, acked, settled)
        commands += [("XACK", keys.log(log), name, *positions) for log, positions in acks.items()]
        commands += [("XDEL", keys.log(log), *positions) for log, positions in acks.items() if is_own_log(log)]
        take = ("XREADGROUP", "GROUP", name, consumer, "COUNT", count, "STREAMS")
        first_read = len(commands)
        commands += [(*take, keys.log(log), ">") for log in logs]
        replies = await self._ask(f"read group {name}", name, *commands)
        entries: list[tuple[str, Entry]] = []
        for log, reply in zip(logs, replies[first_read:], strict=True):
            entries += [(log, entry) for entry in entries_of(reply)]
        return entries

    async def handled(self, name: str, handled: Sequence[str]) -> frozenset[str]:
        """Return which of some keys the group has handled within a day.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        commands: list[Command] = [("EXISTS", keys.handled(name, key)) for key in handled]
        replies = await self._ask(f"ask what group {name} has handled", name, *commands)
        return frozenset(key for key, reply in zip(handled, replies, strict=True) if reply)

    async def claim(self, log: str, name: str, consumer: str, positions: Sequence[str], *, owner: str) -> Claims:
        """Take over entries that are pending at ``owner``, which counts as another delivery; never those of others.

        Raises:
            GroupMissingError: the group does not exist on the log.
            UnavailableError: Redis is out of reach; they may have been taken over.

        """
        async with translated_errors(f"claim in group {name}"):
            taken, trimmed = await self._run(_CLAIM, keys.log(log), name, consumer, owner, *positions)
        return Claims(
            [(entry_of(row), int(row[2])) for row in taken],
            [position.decode() for position in trimmed],
        )

    async def hand_over(self, log: str, name: str, consumer: str, positions: Sequence[str]) -> list[str]:
        """Leave entries that are pending at a consumer to `NOBODY`, and return those that were; it is no delivery.

        Raises:
            GroupMissingError: the group does not exist on the log.
            UnavailableError: Redis is out of reach; they may have been left.

        """
        async with translated_errors(f"hand over in group {name}"):
            left = await self._run(_HAND_OVER, keys.log(log), name, NOBODY, consumer, *positions)
        return [position.decode() for position in left]

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
        """Delete a consumer; one that something is pending at stays.

        Raises:
            GroupMissingError: the group does not exist on the log.
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"tidy group {name}"):
            await self._run(_REMOVE_CONSUMER, keys.log(log), name, consumer)

    async def serving(self, service: str, group: str, hub: str) -> Serving:
        """Say that a hub has members of the group, and return all hubs that have said so lately.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"serve group {group}"):
            known, hubs = await run_script(
                self._redis, _SERVE, [keys.serving(service, group)], [hub, self._serving_ttl_ms]
            )
        return Serving(frozenset(name.decode() for name in hubs), bool(known))

    async def served_by(self, service: str, group: str) -> frozenset[str]:
        """Return the hubs that serve the group; one that has died counts until its word has run out.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"ask who serves group {group}"):
            seconds, _ = await self._redis.time()
            oldest_ms = seconds * 1000 - self._serving_ttl_ms
            hubs: Any = await self._redis.zrangebyscore(keys.serving(service, group), oldest_ms, "+inf")
        return frozenset(name.decode() for name in hubs)

    async def stop_serving(self, service: str, group: str, hub: str) -> None:
        """Say that a hub has no members of the group any more, so that others take over what is pending at it.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"leave group {group}"):
            await self._redis.zrem(keys.serving(service, group), hub)

    async def _run(self, script: Script, key: str, name: str, *args: str) -> Any:
        try:
            return await run_script(self._redis, script, [key], [name, *args])
        except ResponseError as error:
            raise refusal(name, error) from error

    async def _ask(self, doing: str, name: str, *commands: Command) -> list[Any]:
        async with translated_errors(doing):
            replies = await execute(self._redis, *commands)
            for reply in replies:
                if isinstance(reply, ResponseError):
                    raise refusal(name, reply) from reply
        return replies


async def group_rows(redis: Redis, log: str) -> list[dict[str, Any]]:
    """Return what Redis says of each group on a log (XINFO GROUPS); none has a log that does not exist.

    Raises:
        RedisError: no answer, or Redis refused.

    """
    try:
        rows: list[dict[str, Any]] = await redis.xinfo_groups(keys.log(log))
    except ResponseError as error:
        if not is_missing(error):
            raise
        return []
    return rows
