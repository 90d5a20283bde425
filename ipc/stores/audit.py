"""The audit trail: who was given a token, took one back, or was refused, in one capped stream.

What is written is for people, so it never holds a token, a key or the data of an event.
"""

import time
from collections.abc import Mapping
from typing import Any, Final, Protocol

import msgspec
from redis.asyncio import Redis

from ipc.stores import keys
from ipc.stores.connection import execute, translated_errors

MAX_ENTRIES: Final = 100_000
MAX_TEXT: Final = 200


class AuditTrail(Protocol):
    """Where it is written."""

    async def write(self, action: str, *, by: str, subject: str, details: Mapping[str, Any] | None = None) -> None:
        """Write down that somebody has done something to something."""


class Audit:
    """The trail in one Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def write(self, action: str, *, by: str, subject: str, details: Mapping[str, Any] | None = None) -> None:
        """Write down that somebody has done something to something.

        Args:
            action: such as ``token.mint``.
            by: a service, an operator, or ``unknown``.
            subject: what it was done to, such as the id of a token.
            details: further facts, JSON values.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        fields = {
            "at": str(time.time_ns() // 1_000_000),
            "action": action,
            "by": by[:MAX_TEXT],
            "subject": subject[:MAX_TEXT],
            "details": msgspec.json.encode(details or {}).decode(),
        }
        flat = [part for field in fields.items() for part in field]
        async with translated_errors("write the audit trail"):
            await execute(self._redis, ("XADD", keys.AUDIT, "MAXLEN", "~", MAX_ENTRIES, "*", *flat))
