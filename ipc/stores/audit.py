"""The audit trail: who was given a token, took one back, was refused or operated the mesh, in one capped stream.

What is written is for people, so it never holds a token, a key or the data of an event.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from redis.asyncio import Redis

from ipc.protocol.positions import check_position
from ipc.stores import keys
from ipc.stores.audit_filter import MAX_LOOKED, MAX_PAGE, AuditEntry, AuditFilter, AuditPage
from ipc.stores.connection import execute, translated_errors
from ipc.stores.stream_scan import scan

MAX_ENTRIES: Final = 100_000
MAX_TEXT: Final = 200
SEARCH_S: Final = 2.0
AGAIN_MS: Final = 60_000
"""After how long the same is written down again, where somebody does it all the time."""
MOST_A_MINUTE: Final = 60
"""How many entries of one action a service can cause in a minute: with them alone it fills the trail in a day."""
LEFT_OUT: Final = {"furtherLeftOut": True}
"""What the last of those says besides: whatever comes in the same minute is not written down."""
_COUNTED_MS: Final = 120_000


class AuditTrail(Protocol):
    """Where it is written and read."""

    async def write(
        self, action: str, *, by: str, subject: str, details: Mapping[str, Any] | None = None, cause: str = ""
    ) -> None:
        """Write down that somebody has done something to something."""

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

    async def read(
        self, wanted: AuditFilter, *, count: int = 50, after: str = "", max_looked: int = MAX_LOOKED
    ) -> AuditPage:
        """Return entries, newest first."""


class Audit:
    """The trail in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def write(
        self, action: str, *, by: str, subject: str, details: Mapping[str, Any] | None = None, cause: str = ""
    ) -> None:
        """Write down that somebody has done something to something.

        Args:
            action: such as ``token.mint``.
            by: a service, an operator, or ``unknown``.
            subject: what it was done to, such as the id of a token.
            details: further facts, JSON values.
            cause: the service that can have it written all the time, of whose only the first in a minute are.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        told = dict(details or {})
        if cause:
            place = await self._place(action, cause)
            if place > MOST_A_MINUTE:
                return
            told |= LEFT_OUT if place == MOST_A_MINUTE else {}
        fields = {
            "at": str(time.time_ns() // 1_000_000),
            "action": action,
            "by": by[:MAX_TEXT],
            "subject": subject[:MAX_TEXT],
            "details": msgspec.json.encode(told).decode(),
        }
        flat = [part for field in fields.items() for part in field]
        async with translated_errors("write the audit trail"):
            await execute(self._redis, ("XADD", keys.AUDIT, "MAXLEN", "~", MAX_ENTRIES, "*", *flat))

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
        """Write down what somebody does again and again, once a minute: nobody shall fill the trail with it.

        Args:
            action: as `write` takes it.
            by: as `write` takes it.
            subject: as `write` takes it; with both before it, what is the same.
            details: as `write` takes them. They may differ in what is the same.
            apart: what makes it another all the same.
            cause: as `write` takes it.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        key = keys.used(f"{action}/{by}/{subject}/{apart}")
        async with translated_errors("write the audit trail"):
            (is_first,) = await execute(self._redis, ("SET", key, "1", "NX", "PX", AGAIN_MS))
        if is_first is not None:
            await self.write(action, by=by, subject=subject, details=details, cause=cause)

    async def _place(self, action: str, cause: str) -> int:
        """Return the how-manieth this is in this minute."""
        key = keys.used(f"audit/{action}/{cause}/{int(time.time() // 60)}")
        async with translated_errors("write the audit trail"):
            _, count = await execute(self._redis, ("SET", key, 0, "NX", "PX", _COUNTED_MS), ("INCR", key))
        return int(count)

    async def read(
        self, wanted: AuditFilter, *, count: int = 50, after: str = "", max_looked: int = MAX_LOOKED
    ) -> AuditPage:
        """Return entries, newest first, for two seconds of looking at most.

        Args:
            wanted: which are meant.
            count: how many at most, up to 500.
            after: where the page before has ended.
            max_looked: how many entries may be looked at.

        Raises:
            BadMessageError: INVALID_POSITION, ``after`` is no place in the trail.
            UnavailableError: Redis is out of reach.

        """
        part = wanted.part(check_position(after) if after else "")
        found = await scan(
            self._redis,
            keys.AUDIT,
            part,
            wanted.conditions,
            max_entries=max_looked,
            max_found=min(count, MAX_PAGE),
            until=time.monotonic() + SEARCH_S,
        )
        entries = await self._entries(found.found)
        # Where enough was found, what Redis has looked at beyond the last one is looked at again.
        is_full = len(found.found) >= min(count, MAX_PAGE)
        end = found.found[-1] if is_full else found.upto
        return AuditPage(entries, end if is_full or not found.is_whole else None, found.looked)

    async def _entries(self, positions: Sequence[str]) -> list[AuditEntry]:
        if not positions:
            return []
        async with translated_errors("read the audit trail"):
            replies = await execute(self._redis, *(("XRANGE", keys.AUDIT, each, each) for each in positions))
        # An entry may have been trimmed between the two questions.
        return [_entry(*rows[0]) for rows in replies if isinstance(rows, list) and rows]


def _entry(position: bytes, flat: Sequence[bytes]) -> AuditEntry:
    texts = [part.decode() for part in flat]
    said = dict(zip(texts[::2], texts[1::2], strict=True))
    details = msgspec.json.decode(said["details"], type=dict[str, Any])
    return AuditEntry(said["action"], said["by"], said["subject"], details, int(said["at"]), position.decode())
