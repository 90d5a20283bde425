"""The registry: which instances are attached somewhere in the mesh, and which services are there because of them.

All of one service is in one slot, and one script decides about it, so that two hubs never decide differently. A service
has gone when its last instance has left and did not come back for two seconds, or was not renewed.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from ipc.protocol.discovery import Change, Changes, Hearing, ServedResource
from ipc.protocol.services import SERVICES
from ipc.stores import keys
from ipc.stores.connection import Command, Script, execute, run_script, translated_errors

TTL_S: Final = 60
HEARTBEAT_S: Final = 20
GRACE_S: Final = 2.0
MAX_LISTED: Final = 5_000
_A_SCRIPT: Final = 200
_PRESENCE: Final = Script(resources.files("ipc.stores").joinpath("scripts/presence.lua").read_text())


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One attached instance; times in Unix milliseconds.

    ``token`` is the id of the token that it came with, ``token_issued_s`` when that was made, in Unix seconds.
    ``outbox_messages`` and ``outbox_bytes`` waited for it to read them when this was written, which is at least every
    twenty seconds.
    """

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
    version: str = ""
    resources: tuple[ServedResource, ...] = ()
    emits: tuple[str, ...] = ()
    hears: tuple[Hearing, ...] = ()
    permissions: tuple[str, ...] = ()
    token: str = ""
    token_issued_s: float = 0.0
    is_rate_exempt: bool = False
    is_dev_bypass: bool = False
    outbox_messages: int = 0
    outbox_bytes: int = 0


class Registry:
    """The registry in one Redis.

    Args:
        redis: the client.
        ttl_s: how long an instance holds that is not renewed.
        grace_s: how long after its last instance has left a service still counts as being there.

    """

    def __init__(self, redis: Redis, *, ttl_s: float = TTL_S, grace_s: float = GRACE_S) -> None:
        self._redis = redis
        self._ttl_ms = int(ttl_s * 1000)
        self._grace_ms = int(grace_s * 1000)

    async def put(self, registrations: Iterable[Registration], *, renewed: frozenset[str] = frozenset()) -> Changes:
        """Write or renew registrations, and return what is to be announced.

        ``renewed`` are the instances that the hub has written before: of those Redis may have lost what it knew.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        by_service: dict[str, list[str | bytes]] = {}
        for registration in registrations:
            by_service.setdefault(registration.service, []).extend(
                (
                    registration.instance,
                    "1" if registration.instance in renewed else "0",
                    registration.session,
                    msgspec.json.encode(registration),
                )
            )
        found: Changes = []
        async with translated_errors("register"):
            for service, words in by_service.items():
                for begin in range(0, len(words), 4 * _A_SCRIPT):
                    found = [
                        *(change for change in found if change.service != service),
                        *await self._decide(service, "put", *words[begin : begin + 4 * _A_SCRIPT]),
                    ]
        return found

    async def remove(self, sessions: Mapping[str, str]) -> Changes:
        """Take instances out that have left, given the session of each, and return what is to be announced.

        One that is back on another session stays.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        by_service: dict[str, list[str]] = {}
        for instance, session in sessions.items():
            by_service.setdefault(instance.partition(":")[0], []).extend((instance, session))
        async with translated_errors("unregister"):
            return [
                change
                for service, words in by_service.items()
                for change in await self._decide(service, "remove", *words)
            ]

    async def sweep(self, *, expires: bool) -> Changes:
        """Look which services have gone, and return what is to be announced.

        Args:
            expires: take out instances that were not renewed; else only look at services whose instances have left.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        flag = "1" if expires else "0"
        commands: list[Command] = [
            ("EVALSHA", _PRESENCE.sha, 4, *_keys(service), "sweep", self._ttl_ms, self._grace_ms, flag)
            for service in SERVICES
        ]
        found: Changes = []
        async with translated_errors("sweep the registry"):
            for service, reply in zip(SERVICES, await execute(self._redis, *commands), strict=True):
                # Redis has forgotten the script, or has never been told.
                found += (
                    await self._decide(service, "sweep", flag)
                    if isinstance(reply, ResponseError)
                    else _changes(service, reply)
                )
        return found

    async def announced(self, change: Change) -> None:
        """Take note that a change, and those of the service before it, are in the log.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors(f"take note that {change.event_id} is announced"):
            await self._redis.zremrangebyscore(keys.changes(change.service), "-inf", change.generation)

    async def list(self, services: Collection[str] = SERVICES) -> list[Registration]:
        """Return the live registrations of some services, at most 5000, the longest unseen first.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("list the registry"):
            seconds, microseconds = await self._redis.time()
            now_ms = seconds * 1000 + microseconds // 1000
            commands = [("ZRANGEBYSCORE", keys.instances(service), f"({now_ms}", "+inf") for service in services]
            live = await execute(self._redis, *commands) if commands else []
            here = [service for service, names in zip(services, live, strict=True) if names]
            rows = (
                await execute(self._redis, *(("HGETALL", keys.instance(service)) for service in here)) if here else []
            )
        names = {name for found in live for name in found}
        found = [
            msgspec.json.decode(row.partition(b" ")[2], type=Registration)
            for reply in rows
            for name, row in _pairs(reply).items()
            if name in names
        ]
        return sorted(found, key=_unseen)[:MAX_LISTED]

    async def _decide(self, service: str, what: str, *words: str | bytes) -> Changes:
        return _changes(
            service,
            await run_script(self._redis, _PRESENCE, _keys(service), [what, self._ttl_ms, self._grace_ms, *words]),
        )


def _keys(service: str) -> list[str]:
    return [keys.instances(service), keys.instance(service), keys.service(service), keys.changes(service)]


def _changes(service: str, reply: Sequence[bytes]) -> Changes:
    return [msgspec.structs.replace(msgspec.json.decode(row, type=Change), service=service) for row in reply]


def _unseen(registration: Registration) -> tuple[int, str]:
    return registration.last_seen_ms, registration.instance


def _pairs(reply: Any) -> dict[bytes, bytes]:
    """Return the fields of a hash, which RESP2 gives as a list."""
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
