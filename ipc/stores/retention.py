"""What logs do not keep: events that a group lost to a cap, and settings of Redis under which history can go."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from ipc.stores import keys
from ipc.stores.connection import Script, run_script, translated_errors

_LOST: Final = Script(resources.files("ipc.stores").joinpath("scripts/lost.lua").read_text())


@dataclass(frozen=True, slots=True)
class Loss:
    """Events of a log that were trimmed before a group, ``<service>/<group>``, had read them."""

    log: str
    group: str
    events: int


class Retention:
    """What is kept, and what is not, in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def count_lost(self, logs: Iterable[str]) -> list[Loss]:
        """Count what groups have lost since the last count, whoever counted, and return that.

        An event that was read and trimmed before it was acknowledged is not among it: its data has been delivered.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        losses: list[Loss] = []
        for log in logs:
            async with translated_errors(f"count what was lost of {log}"):
                reply: list[Any] = await run_script(self._redis, _LOST, [keys.log(log), keys.lost(log)], [])
            losses += [
                Loss(log, name.decode(), int(events)) for name, events in zip(reply[::2], reply[1::2], strict=True)
            ]
        return losses

    async def lost(self, log: str) -> dict[str, int]:
        """Return how many events of a log each group has lost in all, as far as that was counted.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"read what was lost of {log}"):
            fields: Any = await self._redis.hgetall(keys.lost(log))
        totals = {name.decode(): int(events) for name, events in fields.items()}
        return {name: events for name, events in totals.items() if not name.endswith("|upto")}

    async def warnings(self, *, needs_persistence: bool) -> list[str]:
        """Return what is wrong with the settings of Redis, a sentence each.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("read the settings of Redis"):
            memory: dict[str, Any] = await self._redis.info("memory")
            persistence: dict[str, Any] = await self._redis.info("persistence")
            save = await self._save()
        found = []
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if policy != "noeviction":
            found.append(
                f"Redis may evict logs when it is short of memory: set maxmemory-policy to noeviction, it is {policy}"
            )
        if needs_persistence and not int(persistence.get("aof_enabled", 0)) and save == "":
            found.append(
                "Redis writes nothing to disk, so a restart of it loses all events: set appendonly to yes, or save"
            )
        return found

    async def _save(self) -> str | None:
        """Return when Redis writes snapshots, or None where it does not tell, as some providers have it."""
        try:
            answer: Any = await self._redis.config_get("save")
        except ResponseError:
            return None
        return str(answer.get("save", ""))
