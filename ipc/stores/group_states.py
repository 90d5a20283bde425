"""How groups are doing, from what Redis knows of them: no process is asked, so a dead one delays nothing."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from redis.asyncio import Redis

from ipc.protocol.positions import position_key
from ipc.protocol.routing import BROADCAST, is_own_log, own_log
from ipc.stores import keys
from ipc.stores.connection import translated_errors
from ipc.stores.dead_letters import DeadLetters
from ipc.stores.groups import Groups, group_rows
from ipc.stores.retention import Retention


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """One group: hubs that serve it, events in members' hands or waiting for a retry, not yet read, lost and given up.

    ``lag`` is None while Redis does not know it; ``oldest_pending_ms`` is the age of the oldest pending event, None
    without one.
    """

    service: str
    group: str
    hubs: int
    pending: int
    lag: int | None
    oldest_pending_ms: int | None
    lost: int
    dead: int


@dataclass(frozen=True, slots=True)
class _OnLog:
    pending: int
    lag: int | None
    oldest_pending_ms: int | None


class GroupStates:
    """The groups of one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._retention = Retention(redis)
        self._groups = Groups(redis)
        self._dead_letters = DeadLetters(redis)

    async def list(self) -> list[GroupState]:
        """Return all groups, by service and name.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        async with translated_errors("list the groups"):
            broadcast = await self._on_log(BROADCAST)
            lost_of_broadcast = await self._retention.lost(BROADCAST)
            found: list[GroupState] = []
            for service, names in groupby(sorted(broadcast), key=lambda name: name.partition("/")[0]):
                of_service, lost_of_service = await self._on_log(service), await self._retention.lost(service)
                for name in names:
                    lost = lost_of_broadcast.get(name, 0) + lost_of_service.get(name, 0)
                    shared = [part for part in (broadcast.get(name), of_service.get(name)) if part is not None]
                    found.append(await self._state(service, name, shared, lost))
        return found

    async def _state(self, service: str, name: str, shared: Sequence[_OnLog], lost: int) -> GroupState:
        group = name.partition("/")[2]
        of_own = await self._on_log(own_log(service, group))
        parts = [*shared, *of_own.values()]
        lags = [part.lag for part in parts]
        ages = [part.oldest_pending_ms for part in parts if part.oldest_pending_ms is not None]
        return GroupState(
            service=service,
            group=group,
            hubs=len(await self._groups.served_by(service, group)),
            pending=sum(part.pending for part in parts),
            lag=None if None in lags else sum(lag for lag in lags if lag is not None),
            oldest_pending_ms=max(ages, default=None),
            lost=lost,
            dead=await self._dead_letters.count(service, group),
        )

    async def _on_log(self, log: str) -> dict[str, _OnLog]:
        return {row["name"].decode(): await self._part(log, row) for row in await group_rows(self._redis, log)}

    async def _part(self, log: str, row: Mapping[str, Any]) -> _OnLog:
        lag = row["lag"]
        if is_own_log(log):
            # What is done is deleted from it, which Redis cannot count over; what is left is pending or to be read.
            lag = int(await self._redis.xlen(keys.log(log))) - row["pending"]
        if not row["pending"]:
            return _OnLog(0, lag, None)
        oldest: Any = await self._redis.xpending_range(keys.log(log), row["name"], min="-", max="+", count=1)
        now_ms = time.time_ns() // 1_000_000
        ages = [max(0, now_ms - position_key(entry["message_id"].decode())[0]) for entry in oldest]
        return _OnLog(row["pending"], lag, max(ages, default=None))
