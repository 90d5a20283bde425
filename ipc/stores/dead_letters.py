"""Dead letters: what a group has given up, as a stream for each group."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from ipc.stores import keys
from ipc.stores.connection import translated_errors

MAX_DEAD: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that a group has given up; times in Unix milliseconds."""

    log: str
    position: str
    event: str
    frame: str
    error: str
    traceback: str
    attempts: int
    first_ms: int
    last_ms: int
    instance: str


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
            await self._redis.xadd(keys.dead(service, group), fields, maxlen=MAX_DEAD, approximate=True)
            await self._redis.xack(keys.log(letter.log), f"{service}/{group}", letter.position)

    async def dead_letters(self, service: str, group: str, *, count: int = 100) -> list[tuple[str, DeadLetter]]:
        """Return dead letters with their ids, oldest first.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"read dead letters of {group}"):
            rows: Any = await self._redis.xrange(keys.dead(service, group), count=count)
        return [
            (
                position.decode(),
                msgspec.convert({k.decode(): v.decode() for k, v in row.items()}, DeadLetter, strict=False),
            )
            for position, row in rows
        ]
