"""What a dead letter is: the event that a group has given up, why, and where it lies; and how rows of Redis say so."""

from dataclasses import dataclass
from typing import Any

import msgspec

from ipc.protocol.frames import closed
from ipc.stores.dead_letter_filter import LetterId


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """An event that a group has given up; times in Unix milliseconds.

    ``log`` and ``position`` say where the group took it from; ``frame`` is as in `Entry`.
    """

    log: str
    position: str
    event: str
    frame: str
    error: str
    traceback: str
    attempts: int
    first_ms: int
    last_ms: int
    instance: str


class Content(msgspec.Struct):
    """What the frame of a dead letter says about its event."""

    id: str
    source: str
    target: str | list[str]
    ts: int
    data: msgspec.Raw = msgspec.Raw(b"null")
    meta: Any = None


@dataclass(frozen=True, slots=True)
class Buried:
    """A dead letter with the place where it lies."""

    id: LetterId
    letter: DeadLetter

    @property
    def content(self) -> Content:
        """What its frame says."""
        return msgspec.json.decode(closed(self.letter.frame), type=Content)

    @property
    def facts(self) -> dict[str, Any]:
        """What a condition sees: the event as the condition of a subscription does, and why and how often it failed."""
        event = msgspec.json.decode(closed(self.letter.frame))
        facts = {name: event.get(name) for name in ("id", "event", "source", "target", "data", "ts", "meta")}
        return {**facts, "error": self.letter.error, "attempts": self.letter.attempts}


@dataclass(frozen=True, slots=True)
class Page:
    """Dead letters in order, and after which one the next page begins, where there may be more of the kind.

    ``undecided`` counts those that were passed over because the condition could not be evaluated on them.
    """

    letters: list[Buried]
    next: LetterId | None = None
    undecided: int = 0

    @property
    def has_more(self) -> bool:
        """Whether there may be more."""
        return self.next is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """What is kept of a dead letter that was discarded."""

    letter: str
    by: str
    reason: str
    event: str
    frame: str
    error: str


def buried_of(service: str, group: str, row: Any) -> Buried:
    """Return the dead letter of a row of its stream."""
    position, fields = row
    letter = msgspec.convert(_texts(fields), DeadLetter, strict=False)
    return Buried(LetterId(service, group, position.decode()), letter)


def discarded_of(fields: dict[bytes, bytes]) -> Discarded:
    """Return what the fields of a row say of a dead letter that was discarded."""
    return msgspec.convert(_texts(fields), Discarded, strict=False)


def _texts(fields: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in fields.items()}
