"""Which dead letters are meant: their ids, and filters by group, event, id, time and a JSONLex condition."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import total_ordering
from typing import Any, Final, Self

from ipc.jsonlex import JSONLexError, Limits, Predicate, compile_where
from ipc.protocol.errors import BadMessageError
from ipc.protocol.moments import moment_ms
from ipc.protocol.patterns import compile_pattern, matches_any
from ipc.protocol.positions import check_position, position_key
from ipc.protocol.retry import check_group
from ipc.protocol.services import full_name

CONDITION_LIMITS: Final = Limits(nodes=1_000, steps=2_500)
"""As for the condition of a subscription."""


@total_ordering
@dataclass(frozen=True, slots=True)
class LetterId:
    """Where a dead letter lies, written ``<service>/<group>/<position among the group's dead letters>``."""

    service: str
    group: str
    position: str

    @classmethod
    def of(cls, text: str) -> Self:
        """Read the written form.

        Raises:
            BadMessageError: it is not in that form.
            UnknownServiceError: there is no such service.

        """
        service, _, rest = text.partition("/")
        group, _, position = rest.partition("/")
        if not position:
            raise BadMessageError(
                f"{text[:128]!r} is not the id of a dead letter: write <service>/<group>/<position> as a list gives it"
            )
        return cls(full_name(service), check_group(group), check_position(position))

    def __str__(self) -> str:
        return f"{self.service}/{self.group}/{self.position}"

    def __lt__(self, other: "LetterId") -> bool:
        return self._key() < other._key()

    def _key(self) -> tuple[str, str, tuple[int, int]]:
        return self.service, self.group, position_key(self.position)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterFilter:
    """What has to be true of a dead letter; a member that is empty asks for nothing.

    ``ids`` has ids of dead letters, whole or only their position, and ids of events. ``error`` is a part of the error's
    text, in upper or lower case. The times are those of giving up.
    """

    service: str = ""
    group: str = ""
    patterns: tuple[str, ...] = ()
    ids: frozenset[str] = frozenset()
    error: str = ""
    since_ms: int = 0
    until_ms: int | None = None
    where: Predicate | None = None

    @classmethod
    def of(
        cls,
        *,
        service: str | None = None,
        group: str | None = None,
        events: Iterable[str] = (),
        ids: Iterable[str] = (),
        error: str = "",
        since: str | None = None,
        until: str | None = None,
        where: Any = None,
    ) -> Self:
        """Read a filter as people write it; a service may have its short name.

        Raises:
            BadMessageError: a value is not of its form.
            JSONLexError: the condition is wrong.

        """
        now_ms = time.time_ns() // 1_000_000
        for pattern in (patterns := tuple(events)):
            compile_pattern(pattern)
        return cls(
            service=full_name(service) if service else "",
            group=check_group(group) if group else "",
            patterns=patterns,
            ids=frozenset(str(LetterId.of(text)) if text.count("/") > 1 else text for text in ids),
            error=error.casefold(),
            since_ms=moment_ms(since, now_ms=now_ms) if since else 0,
            until_ms=moment_ms(until, now_ms=now_ms) if until else None,
            where=None if where is None else compile_where(where, CONDITION_LIMITS),
        )

    @property
    def wants_everything(self) -> bool:
        """Whether it leaves nothing out."""
        return self == DeadLetterFilter()

    @property
    def first_position(self) -> str:
        """The first position that can be meant."""
        return f"{self.since_ms}-0"

    @property
    def last_position(self) -> str:
        """The last position that can be meant; without a sequence number, Redis takes the last of the millisecond."""
        return "+" if self.until_ms is None else str(self.until_ms)

    def wants_group(self, service: str, group: str) -> bool:
        """Tell whether dead letters of a group can be meant."""
        return self.service in {"", service} and self.group in {"", group}

    def wants(self, letter_id: LetterId, event: str, event_id: str, error: str = "") -> bool:
        """Tell whether a dead letter of such a group and time is meant, if the condition holds for it."""
        if self.patterns and not matches_any(self.patterns, event):
            return False
        if self.error and self.error not in error.casefold():
            return False
        return not self.ids or not self.ids.isdisjoint({str(letter_id), letter_id.position, event_id})

    async def holds_for(self, facts: Mapping[str, Any]) -> bool | None:
        """Tell whether the condition, if there is one, holds for a dead letter; None where it cannot be evaluated."""
        if self.where is None:
            return True
        # There may be ten thousand letters, and a condition that takes long.
        await asyncio.sleep(0)
        try:
            return self.where.matches(facts)
        except JSONLexError:
            return None
