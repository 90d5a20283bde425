"""The twin of `ipc.stores.audit.Audit`, in memory."""

import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ipc.protocol.positions import check_position, position_key
from ipc.stores.audit import AGAIN_MS, LEFT_OUT, MOST_A_MINUTE
from ipc.stores.audit_filter import MAX_LOOKED, MAX_PAGE, AuditEntry, AuditFilter, AuditPage


class MemoryAudit:
    """The trail of one test: its entries, oldest first."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self._again_at: dict[tuple[str, ...], float] = {}
        self._places = Counter[tuple[str, str, int]]()

    async def write(
        self, action: str, *, by: str, subject: str, details: Mapping[str, Any] | None = None, cause: str = ""
    ) -> None:
        """Write down that somebody has done something to something."""
        told = dict(details or {})
        if cause:
            minute = action, cause, int(time.time() // 60)
            self._places[minute] += 1
            if self._places[minute] > MOST_A_MINUTE:
                return
            told |= LEFT_OUT if self._places[minute] == MOST_A_MINUTE else {}
        now_ms = time.time_ns() // 1_000_000
        ms, seq = position_key(self.entries[-1].position) if self.entries else (0, 0)
        position = f"{now_ms}-0" if now_ms > ms else f"{ms}-{seq + 1}"
        self.entries.append(AuditEntry(action, by, subject, told, now_ms, position))

    async def write_once_a_minute(
        self,
        action: str,
        *,
        by: str,
        subject: str,
        details: Mapping[str, Any] | None = None,
        apart: str = "",
        cause: str = "",
    ) -> None:
        """Write it down unless the same was, a moment ago."""
        now, what = time.monotonic(), (action, by, subject, apart)
        if now >= self._again_at.get(what, now):
            self._again_at[what] = now + AGAIN_MS / 1000
            await self.write(action, by=by, subject=subject, details=details, cause=cause)

    async def read(
        self, wanted: AuditFilter, *, count: int = 50, after: str = "", max_looked: int = MAX_LOOKED
    ) -> AuditPage:
        """Return entries, newest first."""
        before = position_key(check_position(after)) if after else None
        rest = [each for each in reversed(self.entries) if before is None or position_key(each.position) < before]
        found: list[AuditEntry] = []
        for looked, entry in enumerate(rest):
            if len(found) == min(count, MAX_PAGE):
                return AuditPage(found, found[-1].position, looked)
            if looked == max_looked:
                return AuditPage(found, rest[looked - 1].position, looked)
            if wanted.wants(entry):
                found.append(entry)
        return AuditPage(found, None, len(rest))
