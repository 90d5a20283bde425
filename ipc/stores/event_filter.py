"""Which events of a log are meant: by the pattern of their names, who has emitted them, and a JSONLex condition."""

import asyncio
from dataclasses import dataclass
from typing import Any, Self

import msgspec

from ipc.jsonlex import JSONLexError, Predicate, compile_where
from ipc.protocol.frames import closed
from ipc.protocol.patterns import compile_pattern, matches_any
from ipc.protocol.services import full_name
from ipc.stores.dead_letter_filter import CONDITION_LIMITS
from ipc.stores.eventlog import Entry


class _Source(msgspec.Struct):
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFilter:
    """What has to be true of an event; a member that is empty asks for nothing."""

    pattern: str = ""
    source: str = ""
    where: Predicate | None = None

    @classmethod
    def of(cls, *, pattern: str = "", source: str = "", where: Any = None) -> Self:
        """Read a filter as people write it; a service may have its short name.

        Raises:
            BadMessageError: the pattern is wrong.
            UnknownServiceError: there is no such service.
            JSONLexError: the condition is wrong, with the pointer.

        """
        if pattern:
            compile_pattern(pattern)
        return cls(
            pattern=pattern,
            source=full_name(source) if source else "",
            where=None if where is None else compile_where(where, CONDITION_LIMITS),
        )

    async def holds_for(self, entry: Entry) -> bool | None:
        """Tell whether an event is meant; None where the condition cannot be evaluated on it."""
        if self.pattern and not matches_any((self.pattern,), entry.event):
            return False
        if self.source and msgspec.json.decode(closed(entry.frame), type=_Source).source != self.source:
            return False
        if self.where is None:
            return True
        # A page may be thousands of events, and a condition may take long.
        await asyncio.sleep(0)
        try:
            return self.where.matches(facts_of(entry.frame))
        except JSONLexError:
            return None


def facts_of(frame: str) -> dict[str, Any]:
    """Return what a condition sees of an event, as the one of a subscription does."""
    event = msgspec.json.decode(closed(frame))
    return {name: event.get(name) for name in ("id", "event", "source", "target", "data", "ts", "meta")}
