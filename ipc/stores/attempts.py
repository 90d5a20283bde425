"""Counting what fails: how often something was tried in vain within a while, over all processes of the mesh."""

from collections.abc import Sequence

from redis.asyncio import Redis

from ipc.stores import keys
from ipc.stores.connection import execute, translated_errors


class Attempts:
    """The counters in one Redis; each ends by itself, a while after its first failure."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def counts(self, names: Sequence[str]) -> list[int]:
        """Return how often each has failed.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("count attempts"):
            found = await execute(self._redis, *(("GET", keys.attempts(name)) for name in names))
        return [int(count or 0) for count in found]

    async def add(self, names: Sequence[str], *, ttl_ms: int) -> list[int]:
        """Count one more failure of each, and return how often each has failed now.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        commands: list[tuple[str | int, ...]] = []
        for name in names:
            # The key is made with its end, so that a crash between the two leaves none without.
            commands += [("SET", keys.attempts(name), 0, "NX", "PX", ttl_ms), ("INCR", keys.attempts(name))]
        async with translated_errors("count attempts"):
            found = await execute(self._redis, *commands)
        return [int(count) for count in found[1::2]]

    async def forget(self, name: str) -> None:
        """Begin again at nought.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("forget attempts"):
            await execute(self._redis, ("DEL", keys.attempts(name)))
