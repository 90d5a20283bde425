"""What each hub says of its part in calls, every few seconds: statistics are read here, and no process is asked."""

import time
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from ipc.protocol.discovery import OwnerState
from ipc.stores import keys
from ipc.stores.connection import execute, translated_errors

TTL_S: Final = 20
MAX_HUBS: Final = 1_000


class EndpointShare(msgspec.Struct, kw_only=True):
    """One operation as one hub has seen it since it started; ``buckets`` as `ipc.protocol.latency` numbers them."""

    service: str
    resource: str
    op: str
    requests: int
    errors: int
    total_ms: float
    last_error: str
    last_error_ms: int
    buckets: list[int]


class Share(msgspec.Struct, kw_only=True):
    """What one hub says."""

    hub: str
    endpoints: list[EndpointShare]
    owners: list[OwnerState]


class Shares:
    """The shares in one Redis; that of a hub that has died runs out.

    Args:
        redis: the client.
        ttl_s: how long a share holds.

    """

    def __init__(self, redis: Redis, *, ttl_s: float = TTL_S) -> None:
        self._redis = redis
        self._ttl_ms = int(ttl_s * 1000)

    async def put(self, share: Share) -> bool:
        """Write the share of a hub, and tell whether the one before was still there.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        key, text = keys.share(share.hub), msgspec.json.encode(share)
        until_ms = time.time_ns() // 1_000_000 + self._ttl_ms
        async with translated_errors("write the share of this hub"):
            before, *_ = await execute(
                self._redis,
                ("SET", key, text, "PX", self._ttl_ms, "GET"),
                ("ZADD", keys.HUBS, until_ms, share.hub),
            )
        return isinstance(before, bytes)

    async def remove(self, hub: str) -> None:
        """Delete the share of a hub that stops.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("delete the share of this hub"):
            await execute(self._redis, ("DEL", keys.share(hub)), ("ZREM", keys.HUBS, hub))

    async def list(self) -> list[Share]:
        """Return the shares of the hubs that run, at most 1000.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        oldest_ms = time.time_ns() // 1_000_000 - 2 * self._ttl_ms
        async with translated_errors("read the shares of hubs"):
            # A clock that is behind by less than a share's time deletes nobody.
            await self._redis.zremrangebyscore(keys.HUBS, "-inf", oldest_ms)
            hubs: Any = await self._redis.zrange(keys.HUBS, 0, MAX_HUBS - 1)
            texts = await execute(self._redis, *(("GET", keys.share(hub.decode())) for hub in hubs)) if hubs else []
        return [msgspec.json.decode(text, type=Share) for text in texts if isinstance(text, bytes)]
