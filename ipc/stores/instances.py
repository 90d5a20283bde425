"""The registry in pages: how many instances each service has, and some of them, without reading all of them."""

from typing import Final, NamedTuple

import msgspec
from redis.asyncio import Redis

from ipc.protocol.services import SERVICES
from ipc.stores import keys
from ipc.stores.connection import execute, translated_errors
from ipc.stores.registry import Registration

MAX_PAGE: Final = 200


class InstancePage(NamedTuple):
    """Some instances of a service, of ``total`` that were asked for."""

    instances: list[Registration]
    total: int


class Instances:
    """What is attached, from one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def counts(self) -> dict[str, int]:
        """Return how many instances each service has, of all services of the catalogue.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("count the instances"):
            now_ms = await self._now_ms()
            found = await execute(
                self._redis, *(("ZCOUNT", keys.instances(service), f"({now_ms}", "+inf") for service in SERVICES)
            )
        return dict(zip(SERVICES, map(int, found), strict=True))

    async def page(self, service: str, *, offset: int = 0, count: int = MAX_PAGE, text: str = "") -> InstancePage:
        """Return instances of a service in the order of their names, which is that of their starts.

        Args:
            service: its full name.
            offset: how many to pass over.
            count: how many at most, up to 200.
            text: what the name of each has in it.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("list instances"):
            now_ms = await self._now_ms()
            (live,) = await execute(self._redis, ("ZRANGEBYSCORE", keys.instances(service), f"({now_ms}", "+inf"))
            wanted = text.encode()
            names = sorted(name for name in live if wanted in name)
            shown = names[offset : offset + min(count, MAX_PAGE)]
            (rows,) = await execute(self._redis, ("HMGET", keys.instance(service), *shown)) if shown else ([],)
        return InstancePage([_registration(row) for row in rows if row is not None], len(names))

    async def get(self, instance: str) -> Registration | None:
        """Return one instance, or None where it is not attached.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        service = instance.partition(":")[0]
        async with translated_errors("look an instance up"):
            now_ms = await self._now_ms()
            expires_ms, row = await execute(
                self._redis,
                ("ZSCORE", keys.instances(service), instance),
                ("HGET", keys.instance(service), instance),
            )
        if expires_ms is None or row is None or float(expires_ms) <= now_ms:
            return None
        return _registration(row)

    async def _now_ms(self) -> int:
        seconds, microseconds = await self._redis.time()
        return int(seconds) * 1000 + int(microseconds) // 1000


def _registration(row: bytes) -> Registration:
    return msgspec.json.decode(row.partition(b" ")[2], type=Registration)
