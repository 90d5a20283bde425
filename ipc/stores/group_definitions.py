"""What each durable group wants, by what its hubs have said, and where in each log it began."""

from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from ipc.protocol.delivery_status import Definition
from ipc.stores import keys
from ipc.stores.connection import Command, Script, execute, run_script, translated_errors

_DEFINE: Final = Script(resources.files("ipc.stores").joinpath("scripts/define.lua").read_text())


class GroupDefinitions:
    """The definitions in one Redis. ``name`` is ``<service>/<group>`` in all methods."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def define(
        self, name: str, events: Iterable[str], max_attempts: int, *, where: str = "", select: str = ""
    ) -> None:
        """Say what a group wants from now on, or still; its condition and its shape are given as JSON.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        filters = [where, select] if where or select else []
        text = msgspec.json.encode([sorted(events), max_attempts, *filters])
        async with translated_errors(f"define group {name}"):
            await run_script(self._redis, _DEFINE, [definition_key(name)], [text])

    async def began(self, name: str, log: str, after: str) -> None:
        """Write down the position of a log after which a group has begun.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        await self._write(name, ("HSET", definition_key(name), f"began {log}", after))

    async def definitions(self, names: Sequence[str]) -> list[tuple[Definition, ...]]:
        """Return what each of some groups has wanted, by what its hubs have said.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        if not names:
            return []
        async with translated_errors("read what groups want"):
            replies = await execute(self._redis, *(("HGETALL", definition_key(name)) for name in names))
        return [definitions_in(reply, "")[1] for reply in replies]

    async def _write(self, name: str, *commands: Command) -> None:
        async with translated_errors(f"write into the ledger of {name}"):
            for reply in await execute(self._redis, *commands) if commands else ():
                if isinstance(reply, ResponseError):
                    raise reply


def definition_key(name: str) -> str:
    """Return the key of what a group wants."""
    return keys.group_definition(*parts(name))


def parts(name: str) -> tuple[str, str]:
    """Return the service and the group of a name."""
    service, _, group = name.partition("/")
    return service, group


def definitions_in(reply: Any, log: str) -> tuple[str | None, tuple[Definition, ...]]:
    """Return where a group began in a log, and what it has wanted."""
    fields = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    began = fields.get(f"began {log}".encode())
    found = []
    for field, last_ms in fields.items():
        if field.startswith(b"def "):
            events, max_attempts, *filters = msgspec.json.decode(field[4:])
            found.append(Definition(int(last_ms), tuple(events), max_attempts, *filters))
    return began.decode() if began is not None else None, tuple(found)
