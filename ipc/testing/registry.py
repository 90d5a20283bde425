"""The twin of `ipc.stores.registry.Registry`, in memory."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ipc.protocol.discovery import Change, Changes
from ipc.protocol.services import SERVICES
from ipc.stores.registry import GRACE_S, MAX_LISTED, TTL_S, Registration

Registrations = list[Registration]


@dataclass(slots=True)
class _Service:
    """What is known of one service; no state means that nothing is."""

    state: Literal["online", "offline"] | None = None
    generation: int = 0
    last: str = ""
    leaving_ms: float | None = None
    changes: list[Change] = field(default_factory=list)
    instances: dict[str, tuple[Registration, float]] = field(default_factory=dict)


class MemoryRegistry:
    """The registry of one test.

    Args:
        now_ms: the date in Unix milliseconds.
        ttl_s: how long an instance holds that is not renewed.
        grace_s: how long after its last instance has left a service still counts as being there.

    """

    def __init__(self, now_ms: Callable[[], int], *, ttl_s: float = TTL_S, grace_s: float = GRACE_S) -> None:
        self._now_ms = now_ms
        self._ttl_ms = ttl_s * 1000
        self._grace_ms = grace_s * 1000
        self._services: dict[str, _Service] = {}

    def of_patience(self, *, ttl_s: float = TTL_S, grace_s: float = GRACE_S) -> "MemoryRegistry":
        """Return the same registry as one that waits longer, or shorter, sees it."""
        other = MemoryRegistry(self._now_ms, ttl_s=ttl_s, grace_s=grace_s)
        other._services = self._services
        return other

    async def put(self, registrations: Iterable[Registration], *, renewed: frozenset[str] = frozenset()) -> Changes:
        """Write or renew registrations, and return what is to be announced."""
        by_service: dict[str, Registrations] = {}
        for registration in registrations:
            by_service.setdefault(registration.service, []).append(registration)
        return [change for name, found in by_service.items() for change in self._put(name, found, renewed)]

    async def remove(self, sessions: Mapping[str, str]) -> Changes:
        """Take instances out that have left, given the session of each, and return what is to be announced."""
        by_service: dict[str, dict[str, str]] = {}
        for instance, session in sessions.items():
            by_service.setdefault(instance.partition(":")[0], {})[instance] = session
        return [change for name, found in by_service.items() for change in self._remove(name, found)]

    async def sweep(self, *, expires: bool) -> Changes:
        """Look which services have gone, and return what is to be announced."""
        return [change for name in SERVICES for change in self._sweep(self._service(name), name, expires=expires)]

    async def announced(self, change: Change) -> None:
        """Take note that a change, and those of the service before it, are in the log."""
        service = self._service(change.service)
        service.changes = [later for later in service.changes if later.generation > change.generation]

    async def list(self, services: Collection[str] = SERVICES) -> list[Registration]:
        """Return the live registrations of some services, at most 5000, the longest unseen first."""
        now_ms = self._now_ms()
        found = [
            registration
            for name, service in self._services.items()
            for registration, until_ms in service.instances.values()
            if until_ms > now_ms and name in services
        ]
        return sorted(found, key=_unseen)[:MAX_LISTED]

    def lose_everything(self) -> None:
        """Forget all, as a Redis that has lost its data."""
        self._services.clear()

    def _service(self, name: str) -> _Service:
        return self._services.setdefault(name, _Service())

    def _put(self, name: str, registrations: Sequence[Registration], renewed: frozenset[str]) -> Changes:
        service = self._service(name)
        until_ms = self._now_ms() + self._ttl_ms
        service.instances.update({found.instance: (found, until_ms) for found in registrations})
        new = [found.instance for found in registrations if found.instance not in renewed]
        service.last = new[-1] if new else registrations[0].instance
        service.leaving_ms = None
        if service.state != "online":
            is_known = service.state is not None or len(new) == len(registrations)
            self._change(service, name, "online", "joined" if is_known else "")
        return list(service.changes)

    def _remove(self, name: str, sessions: Mapping[str, str]) -> Changes:
        service = self._service(name)
        gone = ""
        for instance, session in sessions.items():
            found = service.instances.get(instance)
            if (found is None and service.state is None) or (found is not None and found[0].session == session):
                service.instances.pop(instance, None)
                gone = instance
        if gone and not service.instances and service.state != "offline":
            service.state, service.last = "online", gone
            service.leaving_ms = self._now_ms() + self._grace_ms
        return list(service.changes)

    def _sweep(self, service: _Service, name: str, *, expires: bool) -> Changes:
        now_ms = self._now_ms()
        for instance in [found for found, (_, until_ms) in service.instances.items() if expires and until_ms <= now_ms]:
            del service.instances[instance]
            service.last = instance
        if service.state == "online" and not service.instances:
            if service.leaving_ms is not None and now_ms >= service.leaving_ms:
                self._change(service, name, "offline", "left")
            elif expires and service.leaving_ms is None:
                self._change(service, name, "offline", "expired")
        return list(service.changes)

    def _change(self, service: _Service, name: str, state: Literal["online", "offline"], reason: str) -> None:
        now_ms = self._now_ms()
        service.state, service.leaving_ms = state, None
        service.generation = max(service.generation + 1, now_ms)
        if reason:
            service.changes.append(
                Change(
                    service=name,
                    state=state,
                    generation=service.generation,
                    at_ms=now_ms,
                    instance=service.last,
                    reason=reason,
                )
            )


def _unseen(registration: Registration) -> tuple[int, str]:
    return registration.last_seen_ms, registration.instance
