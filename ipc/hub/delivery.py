"""A delivery, and the member that holds it."""

import itertools
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from ipc.hub.session import Session
from ipc.protocol.frames import closed
from ipc.protocol.marks import once_key
from ipc.protocol.messages import ReplayMark
from ipc.stores.eventlog import Entry

if TYPE_CHECKING:
    from ipc.hub.group import GroupMembers

MAX_UNANSWERED: Final = 3
"""How many deliveries in a row a member may leave unanswered before it counts as stuck."""

_ids = itertools.count(1)


class Delivery(msgspec.Struct, eq=False):
    """An event that the hub is responsible for: in a member's hands, waiting for one, or for its next attempt."""

    group: "GroupMembers"
    log: str
    entry: Entry
    attempt: int
    first_ms: int
    id: str = msgspec.field(default_factory=lambda: str(next(_ids)))
    session: Session | None = None
    error: str = ""
    traceback: str = ""
    instance: str = ""
    missed_by: Session | None = None
    """The member that did not answer an earlier attempt in time."""
    since: float = 0.0
    """When it was handed to its member, by the clock of groups."""
    shaped: str = ""
    """The frame with what its group has selected, until it is handed out."""
    is_noted: bool = False
    """Whether the ledger has a note of it."""
    is_trimmed: bool = False
    """Whether the log has dropped the entry, so that it is nowhere but here."""

    @property
    def place(self) -> Hashable:
        """Where the event is, which tells it from all others of the group."""
        return self.log, self.entry.position

    @property
    def kind(self) -> tuple[str, Session | None]:
        """What says which members may take it: the name of its event, and who has not answered for it in time."""
        return self.entry.event, self.missed_by

    @property
    def key(self) -> str:
        """What stays the same when the emitter appends the event again, or a hub delivers it again."""
        about = msgspec.json.decode(closed(self.entry.frame), type=_About)
        return once_key(about.source, about.id, about.replay)

    def again(self, attempt: int) -> "Delivery":
        """Return its next attempt, which remembers how the last one ended."""
        return Delivery(
            self.group,
            self.log,
            self.entry,
            attempt,
            self.first_ms,
            error=self.error,
            traceback=self.traceback,
            instance=self.instance,
            missed_by=self.missed_by,
            is_trimmed=self.is_trimmed,
        )


class _About(msgspec.Struct):
    source: str
    id: str
    replay: ReplayMark | None = None


@dataclass(slots=True)
class Member:
    """A session's place in the group, with what it holds in the order in which it was handed out."""

    session: Session
    credit: int
    held: dict[Delivery, None] = field(default_factory=dict)
    unanswered: int = 0
    """How many deliveries in a row it has not answered in time."""

    @property
    def is_stuck(self) -> bool:
        """Whether it is connected and answers nothing, so that each event it is handed costs that event an attempt."""
        return self.unanswered >= MAX_UNANSWERED

    @property
    def limit(self) -> int:
        """How many deliveries it may hold: a stuck one gets one at a time, until it answers one."""
        return min(self.credit, 1) if self.is_stuck else self.credit

    @property
    def free(self) -> int:
        """How many more deliveries it takes: none while its connection is behind, which would only close it."""
        return max(0, self.limit - len(self.held)) if self.session.has_room else 0

    @property
    def waits_for_room(self) -> bool:
        """Whether it would take more if its connection were not behind."""
        return len(self.held) < self.limit and not self.session.has_room
