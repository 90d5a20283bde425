"""What services have declared of their events, and how what they emit fits it; kept for a week after it was said."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from redis.asyncio import Redis

from ipc.protocol.declarations import MAX_EVENTS, Declaration, DeclaredEvent, Drift
from ipc.protocol.services import SERVICES
from ipc.stores import keys
from ipc.stores.connection import Command, execute, translated_errors

TTL_S: Final = 7 * 86_400
_COUNTS: Final = ("checked", "drifted")
_LAST: Final = "last"


class StoredDeclaration(msgspec.Struct, kw_only=True):
    """A declaration as it is written down."""

    declaration: Declaration
    declared_ms: int
    is_checked: bool


class Misfits(msgspec.Struct, frozen=True, kw_only=True):
    """An event that has had data that did not fit, and when the last time."""

    service: str
    event: str
    at_ms: int


class Declarations:
    """The declarations in one Redis, at most 64 of a service: of more, those said longest ago are dropped.

    Args:
        redis: the client.

    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, declared: Sequence[DeclaredEvent]) -> None:
        """Write what a service has declared; what is known of the drift of an event goes when its schema is another.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        service = declared[0].service
        before = await self._stored(service)
        kept = {each.declaration.event: stored_declaration(each) for each in declared}
        changed = [
            event for event, new in kept.items() if event in before and schema_of(before[event]) != schema_of(new)
        ]
        dropped = surplus({**before, **kept})
        commands: list[Command] = [
            ("HSET", keys.declared(service), *_flat(kept)),
            ("EXPIRE", keys.declared(service), TTL_S),
        ]
        if dropped:
            commands.append(("HDEL", keys.declared(service), *dropped))
        if gone := [*changed, *dropped]:
            commands.append(("HDEL", keys.drift(service), *(field for event in gone for field in _fields(event))))
        async with translated_errors("write down what events are"):
            await execute(self._redis, *commands)

    async def keep(self, services: Sequence[str]) -> None:
        """Keep what services have declared for another week.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("keep what events are"):
            await execute(self._redis, *(("EXPIRE", keys.declared(service), TTL_S) for service in services))

    async def add_drift(self, service: str, found: Mapping[str, Drift]) -> None:
        """Add what was found out of events to what is known of them.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        key = keys.drift(service)
        commands: list[Command] = []
        for event, drift in found.items():
            commands.append(("HINCRBY", key, f"{event}|checked", drift.checked))
            if drift.drifted:
                commands.append(("HINCRBY", key, f"{event}|drifted", drift.drifted))
                commands.append(("HSET", key, f"{event}|{_LAST}", msgspec.json.encode(drift)))
        async with translated_errors("write down what does not fit its schema"):
            await execute(self._redis, *commands, ("EXPIRE", key, TTL_S))

    async def list(self, only: str | None = None) -> list[DeclaredEvent]:
        """Return what is declared, of a service by its full name or of all, by service and event.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        services = SERVICES if only is None else (only,)
        async with translated_errors("list what events are"):
            replies = await execute(
                self._redis,
                *(("HGETALL", key(service)) for service in services for key in (keys.declared, keys.drift)),
            )
        found = []
        for at, service in enumerate(services):
            stored, drift = (_pairs(reply) for reply in replies[2 * at : 2 * at + 2])
            rows = {event: msgspec.json.decode(row, type=StoredDeclaration) for event, row in stored.items()}
            found += [declared_event(service, row, _drift(event, drift)) for event, row in sorted(rows.items())]
        return found

    async def drifting(self, *, since_ms: int) -> Sequence[Misfits]:
        """Return the events that have had data that did not fit since a time, without what was declared of them.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("list what does not fit its schema"):
            replies = await execute(self._redis, *(("HGETALL", keys.drift(service)) for service in SERVICES))
        found = []
        for service, reply in zip(SERVICES, replies, strict=True):
            for name, value in _pairs(reply).items():
                event, _, what = name.rpartition("|")
                at_ms = msgspec.json.decode(value, type=Drift).last_ms if what == _LAST else None
                if at_ms is not None and at_ms >= since_ms:
                    found.append(Misfits(service=service, event=event, at_ms=at_ms))
        return found

    async def _stored(self, service: str) -> dict[str, StoredDeclaration]:
        async with translated_errors("read what events are"):
            (reply,) = await execute(self._redis, ("HGETALL", keys.declared(service)))
        return {event: msgspec.json.decode(row, type=StoredDeclaration) for event, row in _pairs(reply).items()}


def stored_declaration(declared: DeclaredEvent) -> StoredDeclaration:
    """Return a declaration as it is written down."""
    return StoredDeclaration(
        declaration=declared.declaration, declared_ms=declared.declared_ms, is_checked=declared.is_checked
    )


def declared_event(service: str, stored: StoredDeclaration, drift: Drift) -> DeclaredEvent:
    """Return a declaration with whose it is, and how the service holds to it."""
    return DeclaredEvent(
        service=service,
        declaration=stored.declaration,
        declared_ms=stored.declared_ms,
        is_checked=stored.is_checked,
        drift=drift,
    )


def schema_of(stored: StoredDeclaration) -> bytes:
    """Return what tells a schema from another one."""
    return msgspec.json.encode(stored.declaration.schema, order="deterministic")


def surplus(stored: Mapping[str, StoredDeclaration]) -> list[str]:
    """Return the events of those said longest ago that are beyond what a service may declare."""
    return sorted(stored, key=lambda event: (-stored[event].declared_ms, event))[MAX_EVENTS:]


def _flat(kept: Mapping[str, StoredDeclaration]) -> list[str | bytes]:
    return [word for event, row in kept.items() for word in (event, msgspec.json.encode(row))]


def _fields(event: str) -> list[str]:
    return [f"{event}|{name}" for name in (*_COUNTS, _LAST)]


def _drift(event: str, fields: Mapping[str, bytes]) -> Drift:
    checked, drifted = (int(fields.get(f"{event}|{name}", 0)) for name in _COUNTS)
    last = fields.get(f"{event}|{_LAST}")
    drift = msgspec.json.decode(last, type=Drift) if last is not None else Drift()
    return msgspec.structs.replace(drift, checked=checked, drifted=drifted)


def _pairs(reply: Any) -> dict[str, bytes]:
    """Return the fields of a hash, which RESP2 gives as a list."""
    pairs = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    return {name.decode(): value for name, value in pairs.items()}
