"""Which part of a log is replayed, and which events of it: what an operator asks for, checked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import msgspec

from ipc.jsonlex import JSONLexError, Predicate, compile_where
from ipc.protocol.delivery_status import Definition
from ipc.protocol.errors import BadMessageError
from ipc.protocol.moments import moment_ms
from ipc.protocol.patterns import compile_pattern, matches_any
from ipc.protocol.positions import check_position, position_key
from ipc.protocol.routing import BROADCAST
from ipc.stores.dead_letter_filter import CONDITION_LIMITS
from ipc.stores.dead_letters import MAX_DEAD
from ipc.stores.event_filter import facts_of
from ipc.stores.eventlog import Entry

MAX_REPLAYED: Final = MAX_DEAD
"""As many as the group's own log has room for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A part of a log, ends included, and at most how many events of which names are taken of it.

    ``last`` without a sequence number is all of its millisecond, and ``+`` the end as it is when the replay begins.
    """

    log: str
    first: str
    last: str = "+"
    pattern: str = "*"
    most: int = MAX_REPLAYED
    again: bool = False

    @classmethod
    def of(
        cls,
        service: str,
        *,
        log: str,
        first: str,
        last: str = "",
        pattern: str = "*",
        most: int = MAX_REPLAYED,
        again: bool = False,
        now_ms: int,
    ) -> Self:
        """Read a span as people write it; its ends are positions or moments.

        Raises:
            BadMessageError: something of it is wrong.

        """
        if log not in {BROADCAST, service}:
            raise BadMessageError(f"a group of {service} hears {BROADCAST} and {service}, not {log[:64]!r}")
        if not 0 < most <= MAX_REPLAYED:
            raise BadMessageError(f"a replay has 1 to {MAX_REPLAYED} events, not {most}")
        compile_pattern(pattern)
        begin, end = _end(first, now_ms), _end(last, now_ms) if last else "+"
        if end != "+" and _key(begin) > _key(end, after=True):
            raise BadMessageError(f"the replay would end at {last[:64]}, before it begins at {first[:64]}")
        return cls(log=log, first=begin, last=end, pattern=pattern, most=most, again=again)


@dataclass(frozen=True, slots=True)
class Choice:
    """Which events are replayed: those that match the pattern, and that the group wants by what it has last said."""

    pattern: str
    wanted: tuple[str, ...]
    where: Predicate | None

    @classmethod
    def of(cls, pattern: str, definitions: Sequence[Definition]) -> Self:
        """Return what a pattern chooses of what a group wants."""
        newest = max(definitions, default=None)
        if newest is None:
            return cls(pattern, ("*",), None)
        where = compile_where(msgspec.json.decode(newest.where), CONDITION_LIMITS) if newest.where else None
        return cls(pattern, newest.events, where)

    async def holds_for(self, entry: Entry) -> bool:
        """Tell whether an event is replayed; a condition that cannot be evaluated does not choose it."""
        if not matches_any((self.pattern,), entry.event) or not matches_any(self.wanted, entry.event):
            return False
        if self.where is None:
            return True
        await asyncio.sleep(0)
        try:
            return self.where.matches(facts_of(entry.frame))
        except JSONLexError:
            return False


def _end(text: str, now_ms: int) -> str:
    return check_position(text) if "-" in text and text.count("-") == 1 else str(moment_ms(text, now_ms=now_ms))


def _key(end: str, *, after: bool = False) -> tuple[int, int]:
    if "-" in end:
        return position_key(end)
    return int(end), 2**64 if after else 0
