"""The twin of `ipc.stores.audit.Audit`, in memory."""

from collections.abc import Mapping
from typing import Any


class MemoryAudit:
    """The trail of one test: ``(action, by, subject, details)``, oldest first."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str, dict[str, Any]]] = []

    async def write(self, action: str, *, by: str, subject: str, details: Mapping[str, Any] | None = None) -> None:
        """Write down that somebody has done something to something."""
        self.entries.append((action, by, subject, dict(details or {})))
