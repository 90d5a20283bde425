"""The registry: which instances are attached somewhere in the mesh, as hashes that expire when nobody renews them."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from ipc.stores import keys
from ipc.stores.connection import translated_errors

TTL_S: Final = 60
HEARTBEAT_S: Final = 20
MAX_LISTED: Final = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One attached instance; times in Unix milliseconds."""

    instance: str
    session: str
    service: str
    hub: str
    door: str
    pid: int
    hostname: str
    registered_ms: int
    last_seen_ms: int
    last_activity_ms: int


class Registry:
    """The registry in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, registrations: Iterable[Registration]) -> None:
        """Write or renew registrations for another 60 seconds.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("register"), self._redis.pipeline(transaction=False) as pipe:
            for registration in registrations:
                key = keys.instance(registration.instance)
                row: dict[Any, Any] = asdict(registration)
                pipe.hset(key, mapping=row)
                pipe.expire(key, TTL_S)
                pipe.zadd(keys.INSTANCES, {registration.instance: registration.last_seen_ms})
            await pipe.execute()

    async def remove(self, sessions: Mapping[str, str]) -> None:
        """Take instances out that have left, given the session of each; one that is back on another session stays.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("unregister"), self._redis.pipeline(transaction=False) as pipe:
            for instance in sessions:
                pipe.hget(keys.instance(instance), "session")
            registered = await pipe.execute()
            for (instance, session), found in zip(sessions.items(), registered, strict=True):
                if found == session.encode():
                    pipe.delete(keys.instance(instance))
                    pipe.zrem(keys.INSTANCES, instance)
            await pipe.execute()

    async def list(self) -> list[Registration]:
        """Return the live registrations, at most 5000, the longest unseen first; the index is swept on the way.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        now_ms = time.time_ns() // 1_000_000
        async with translated_errors("list the registry"):
            await self._redis.zremrangebyscore(keys.INSTANCES, 0, now_ms - 2 * TTL_S * 1000)
            names: list[bytes] = await self._redis.zrange(keys.INSTANCES, 0, MAX_LISTED - 1)  # type: ignore[assignment]  # without scores
            async with self._redis.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.hgetall(keys.instance(name.decode()))
                rows = await pipe.execute()
        return [
            msgspec.convert({name.decode(): value.decode() for name, value in row.items()}, Registration, strict=False)
            for row in rows
            if row
        ]
