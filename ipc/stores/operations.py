"""Long operations: each is a stateful broker token, whose state says how far it is, and whose revocation cancels it.

Nobody is given the token itself, and it permits nothing: the hub knows which session may speak of which operation.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec
from redis.asyncio import Redis

from ipc.protocol.operations import LOST_AFTER_MS, OperationInfo
from ipc.protocol.services import SERVICES
from ipc.protocol.tokens import MAX_LIFETIME_S, Claims
from ipc.stores import keys
from ipc.stores.audit import AuditTrail
from ipc.stores.connection import execute, translated_errors
from ipc.stores.token_records import TokenRecord, TokenRecordStore

TTL_MS: Final = 86_400_000
"""How long an operation is known after it was last heard of."""
MAX_LISTED: Final = 200
"""The operations of a service that can be listed; the oldest are left out beyond that."""
UNLISTED_TTL_MS: Final = 60_000
"""How long one is known that has ended and is not listed: a service can begin and end as many as its rate permits."""
GONE_MS: Final = 1


class OperationIndex(Protocol):
    """Which operations services have begun."""

    async def add(self, service: str, operation: str, begun_ms: int) -> list[str]:
        """Take an operation in, and return those that are left out now."""

    async def has(self, service: str, operation: str) -> bool:
        """Tell whether an operation is listed."""

    async def newest(self, services: Sequence[str]) -> list[str]:
        """Return the ids of the operations of services, the newest of each first."""


class RedisOperationIndex:
    """The index in one Redis: for each service the newest operations, for as long as one can be known."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def add(self, service: str, operation: str, begun_ms: int) -> list[str]:
        """Take an operation in, and return those that are left out now.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        key = keys.operations(service)
        async with translated_errors("list an operation"):
            _, left_out, *_ = await execute(
                self._redis,
                ("ZADD", key, begun_ms, operation),
                ("ZRANGE", key, 0, -MAX_LISTED - 1),
                ("ZREMRANGEBYRANK", key, 0, -MAX_LISTED - 1),
                ("PEXPIRE", key, MAX_LIFETIME_S * 1000),
            )
        return [each.decode() for each in left_out]

    async def has(self, service: str, operation: str) -> bool:
        """Tell whether an operation is listed.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("look for an operation"):
            (score,) = await execute(self._redis, ("ZSCORE", keys.operations(service), operation))
        return score is not None

    async def newest(self, services: Sequence[str]) -> list[str]:
        """Return the ids of the operations of services, the newest of each first.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("list operations"):
            rows = await execute(self._redis, *(("ZREVRANGE", keys.operations(name), 0, -1) for name in services))
        return [operation.decode() for row in rows for operation in row]


class Operations:
    """The operations of a mesh.

    Args:
        records: what is remembered of tokens.
        audit: where it is written who began and who cancelled what.
        index: which operations there are.

    """

    def __init__(self, records: TokenRecordStore, audit: AuditTrail, index: OperationIndex) -> None:
        self._records = records
        self._audit = audit
        self._index = index

    async def begin(self, info: OperationInfo) -> None:
        """Make the handle of an operation.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        record = TokenRecord(claims=_claims(info), by=info.instance)
        await self._records.put(record, ttl_ms=TTL_MS, now_ms=info.begun_ms)
        await self._records.set_state(_key(info.id), _state(info), ttl_ms=TTL_MS)
        await self._forget_ended(await self._index.add(info.service, info.id, info.begun_ms))
        await self._audit.write(
            "operation.begin", by=info.instance, subject=info.id, details={"name": info.name}, cause=info.service
        )

    async def get(self, operation: str) -> OperationInfo | None:
        """Return what is known of an operation, or None where that is nothing.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        return _info(await self._records.state(_key(operation)))

    async def replace(self, old: OperationInfo, new: OperationInfo) -> bool:
        """Write how an operation is if it is as it was, and tell whether it was; one that has ended has no handle.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        is_kept = new.is_running or await self._index.has(new.service, new.id)
        ttl_ms = TTL_MS if is_kept else UNLISTED_TTL_MS
        was_so = await self._records.replace_state(_key(old.id), _state(old), _state(new), ttl_ms=ttl_ms)
        if was_so:
            await self._records.touch(old.id, ttl_ms=TTL_MS if new.is_running else GONE_MS)
        return was_so

    async def _forget_ended(self, operations: Sequence[str]) -> None:
        """Forget those that have ended; one that runs is known for as long as something is heard of it."""
        for info in map(_info, await self._records.states([_key(each) for each in operations])):
            if info is not None and not info.is_running:
                await self._records.delete_state(_key(info.id))

    async def revoke(self, info: OperationInfo, *, by: str) -> None:
        """Revoke the handle of an operation.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        await self._records.revoke(info.id, ttl_ms=MAX_LIFETIME_S * 1000)
        # One that an instance has cancelled itself it could begin and cancel all the time.
        cause = info.service if by.startswith(f"{info.service}:") else ""
        await self._audit.write("operation.cancel", by=by, subject=info.id, details={"name": info.name}, cause=cause)

    async def revoked(self, operations: Sequence[OperationInfo]) -> list[bool]:
        """Tell which handles are revoked, by whatever way.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        return [
            standing.is_revoked for standing in await self._records.standings([_claims(each) for each in operations])
        ]

    async def list(self, service: str | None, *, now_ms: int) -> list[OperationInfo]:
        """Return the operations of a service by its full name, or of all, the newest first.

        One that runs is shown as cancelled if its handle is revoked, and as lost if nothing was heard of it for long.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        ids = await self._index.newest(SERVICES if service is None else (service,))
        found = [
            info for info in map(_info, await self._records.states([_key(each) for each in ids])) if info is not None
        ]
        running = [info for info in found if info.is_running]
        revoked = {info.id for info, is_revoked in zip(running, await self.revoked(running), strict=True) if is_revoked}
        shown = [as_seen(info, is_revoked=info.id in revoked, now_ms=now_ms) for info in found]
        # As the index has them: of the same millisecond the one with the greater id counts as newer.
        return sorted(shown, key=lambda info: (info.begun_ms, info.id), reverse=True)


def as_seen(info: OperationInfo, *, is_revoked: bool, now_ms: int) -> OperationInfo:
    """Return how an operation is, which whoever was at it may not have said."""
    if not info.is_running:
        return info
    if is_revoked:
        return msgspec.structs.replace(info, status="cancelled", error="its handle was revoked")
    if now_ms - info.updated_ms > LOST_AFTER_MS:
        return msgspec.structs.replace(info, status="lost")
    return info


def _claims(info: OperationInfo) -> Claims:
    """Return what the token says that is the handle; without permissions it is good for nothing else."""
    issued_s = info.begun_ms / 1000
    return Claims(
        id=info.id,
        source=info.service,
        target=info.service,
        operation=info.name,
        iat=issued_s,
        exp=issued_s + MAX_LIFETIME_S,
        stateful=True,
        state_key=info.id,
    )


def _key(operation: str) -> str:
    """Return the name of a state that no token can have whose bearer writes it: those are ULIDs."""
    return f"operation-{operation}"


def _state(info: OperationInfo) -> bytes:
    return msgspec.json.encode(info)


def _info(state: bytes | None) -> OperationInfo | None:
    return None if state is None else msgspec.json.decode(state, type=OperationInfo)
