"""The twin of `ipc.stores.declarations.Declarations`, in memory."""

from collections.abc import Mapping, Sequence

from ipc.protocol.declarations import DeclaredEvent, Drift
from ipc.protocol.services import SERVICES
from ipc.stores.declarations import StoredDeclaration, declared_event, schema_of, stored_declaration, surplus


class MemoryDeclarations:
    """The declarations of one test; they do not run out."""

    def __init__(self) -> None:
        self._stored: dict[str, dict[str, StoredDeclaration]] = {}
        self._drift: dict[str, dict[str, Drift]] = {}

    async def put(self, declared: Sequence[DeclaredEvent]) -> None:
        """Write what a service has declared."""
        stored = self._stored.setdefault(declared[0].service, {})
        drift = self._drift.setdefault(declared[0].service, {})
        for each in declared:
            event, new = each.declaration.event, stored_declaration(each)
            if event in stored and schema_of(stored[event]) != schema_of(new):
                drift.pop(event, None)
            stored[event] = new
        for event in surplus(stored):
            del stored[event]
            drift.pop(event, None)

    async def keep(self, services: Sequence[str]) -> None:
        """Keep what services have declared."""

    async def add_drift(self, service: str, found: Mapping[str, Drift]) -> None:
        """Add what was found out of events to what is known of them."""
        known = self._drift.setdefault(service, {})
        for event, new in found.items():
            old = known.get(event, Drift())
            last = new if new.drifted else old
            known[event] = Drift(
                checked=old.checked + new.checked,
                drifted=old.drifted + new.drifted,
                last_error=last.last_error,
                last_pointer=last.last_pointer,
                last_ms=last.last_ms,
            )

    async def list(self, only: str | None = None) -> list[DeclaredEvent]:
        """Return what is declared, by service and event."""
        return [
            declared_event(service, stored, self._drift.get(service, {}).get(event, Drift()))
            for service in (SERVICES if only is None else (only,))
            for event, stored in sorted(self._stored.get(service, {}).items())
        ]
