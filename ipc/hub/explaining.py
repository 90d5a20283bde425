"""Explaining: who would get an event, from what Redis knows, without emitting it."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ipc.hub.explanation import Supposed, group_verdict, live_verdict
from ipc.hub.stores import GroupStateStore, LedgerStore, RegistryStore
from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.discovery import PRESENCE_EVENTS
from ipc.protocol.errors import BadMessageError, DeadlineError, ForbiddenError
from ipc.protocol.explanation import Explanation, GroupVerdict, LiveVerdict, Refusal
from ipc.protocol.ids import new_ulid
from ipc.protocol.limits import Limits
from ipc.protocol.operations import OPERATION_EVENTS
from ipc.protocol.patterns import check_event
from ipc.protocol.permissions import is_allowed
from ipc.protocol.routing import BROADCAST, Target, logs_of_target
from ipc.protocol.services import SERVICES, full_name
from ipc.stores.registry import Registration

MAX_ASKING: Final = 4
ANSWER_S: Final = 8.0
MAX_SHOWN: Final = 500
HUB_EVENTS: Final = PRESENCE_EVENTS | OPERATION_EVENTS


class Explainer:
    """Answers who would get an event; at most four questions are worked on at a time.

    Args:
        registry: knows who is attached, and what they hear.
        group_states: knows the groups and how they are doing.
        ledger: knows what groups want.
        limits: what an event may have.

    """

    def __init__(
        self, registry: RegistryStore, group_states: GroupStateStore, ledger: LedgerStore, *, limits: Limits
    ) -> None:
        self._registry = registry
        self._group_states = group_states
        self._ledger = ledger
        self._limits = limits
        self._asking = asyncio.Semaphore(MAX_ASKING)

    async def explain(
        self,
        event: str,
        data: Raw | None = None,
        *,
        target: str | Sequence[str] | None = None,
        meta: Raw | UnsetType = UNSET,
        source: str | None = None,
        permissions: frozenset[str] | None = None,
    ) -> Explanation:
        """Return who would get an event, who would not, and why.

        Args:
            event: its name.
            data: as JSON.
            target: as `emit` takes it.
            meta: as JSON.
            source: the service that would emit it, where that matters.
            permissions: what its session may do; not given, what the instances of the source may that are attached.

        Raises:
            BadMessageError: the name, the target, the data or the source is wrong, as `emit` would say.
            UnavailableError: Redis is out of reach, or it took too long.

        """
        check_event(event)
        logs = logs_of_target(target)
        name = full_name(source) if source is not None else None
        supposed = Supposed(event, logs, self._context(event, data, target, meta, name))
        try:
            async with asyncio.timeout(ANSWER_S), self._asking:
                registrations = await self._registry.list()
                groups = await self._groups(supposed)
        except TimeoutError as error:
            raise DeadlineError(f"who would get {event} was not found out within {ANSWER_S:g} s") from error
        refused = _refusal(event, name, permissions, registrations)
        live = sorted((live_verdict(registration, supposed) for registration in registrations), key=_getters_first)
        here = {registration.service for registration in registrations}
        meant = SERVICES if BROADCAST in logs else logs
        return Explanation(
            event=event,
            source=name or "",
            target=list(logs),
            refused=refused,
            live=live[:MAX_SHOWN],
            groups=sorted(groups, key=_groups_first)[:MAX_SHOWN],
            offline=[service for service in meant if service not in here],
            asked_ms=time.time_ns() // 1_000_000,
            has_more=len(live) > MAX_SHOWN or len(groups) > MAX_SHOWN,
        )

    async def _groups(self, event: Supposed) -> list[GroupVerdict]:
        states = await self._group_states.list()
        definitions = await self._ledger.definitions([f"{state.service}/{state.group}" for state in states])
        return [group_verdict(state, found, event) for state, found in zip(states, definitions, strict=True)]

    def _context(
        self, event: str, data: Raw | None, target: Target, meta: Raw | UnsetType, source: str | None
    ) -> dict[str, object]:
        """Return what conditions see of an event, as `Sight` has it."""
        checked = "null" if data is None else codec.checked_json(bytes(data), self._limits)
        logs = logs_of_target(target)
        context: dict[str, object] = {
            "id": new_ulid(),
            "event": event,
            "source": source or "",
            "target": logs[0] if target is None or isinstance(target, str) else list(logs),
            "data": msgspec.json.decode(checked),
            "ts": time.time_ns() // 1_000_000,
            "meta": None,
        }
        if not isinstance(meta, UnsetType):
            value = msgspec.json.decode(codec.checked_json(bytes(meta), self._limits, name="meta"))
            if value is not None and not isinstance(value, dict):
                raise BadMessageError("meta is an object")
            context["meta"] = value
        return context


def check_may_emit(event: str) -> None:
    """Refuse the events that only hubs emit.

    Raises:
        ForbiddenError: it is one of them.

    """
    if event in HUB_EVENTS:
        raise ForbiddenError(f"only the mesh itself says {event}")


def _refusal(
    event: str, source: str | None, permissions: frozenset[str] | None, registrations: Sequence[Registration]
) -> Refusal | None:
    """Return why the event would not be taken, as far as permissions are known."""
    if event in HUB_EVENTS:
        return Refusal(code=ErrorCode.FORBIDDEN, message=f"only the mesh itself says {event}")
    if permissions is not None:
        known = [permissions]
    else:
        known = [frozenset(found.permissions) for found in registrations if found.service == source]
    if not known or any(is_allowed(each, "emit", event) for each in known):
        return None
    return Refusal(code=ErrorCode.FORBIDDEN, message=f"{source} lacks the permission emit:{event}")


def _getters_first(verdict: LiveVerdict) -> tuple[bool, str, str]:
    return not verdict.gets, verdict.service, verdict.instance


def _groups_first(verdict: GroupVerdict) -> tuple[bool, str, str]:
    return not verdict.gets, verdict.service, verdict.group
