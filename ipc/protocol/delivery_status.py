"""What became of an event: for each group of each log that it is in, a state that is derived from what is known.

`group_status` is the one decision, made from plain values; where the values do not say, the state is ``unknown``.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Final

from msgspec import Struct

from ipc.protocol.patterns import matches_any
from ipc.protocol.positions import position_key
from ipc.protocol.routing import is_own_log

DEFINITION_SLACK_MS: Final = 15_000
"""A hub says every 5 seconds what its group wants; what it has not said again for so long it wants no more."""


class State(StrEnum):
    """What a group has done with an event."""

    QUEUED = "queued"
    DELIVERED = "delivered"
    RETRYING = "retrying"
    ACKED = "acked"
    DEAD = "dead"
    NOT_WANTED = "not_wanted"
    LOST = "lost"
    UNKNOWN = "unknown"


class EventPlace(Struct, kw_only=True):
    """A log that an event is for, and where it is in it; no position where that is not known any more."""

    log: str
    position: str | None
    in_log: bool


class GroupStatus(Struct, kw_only=True, omit_defaults=True):
    """What one group has done with an event; times in Unix milliseconds, members that say nothing are left out.

    ``state`` is one of `State`, as text, so that an older reader takes what a newer bridge says.
    """

    service: str
    group: str
    log: str
    position: str
    state: str
    hubs: int
    offline: bool
    attempt: int | None = None
    max_attempts: int | None = None
    instance: str | None = None
    hub: str | None = None
    since_ms: int | None = None
    next_ms: int | None = None
    acked_in_ms: int | None = None
    acked_ms: int | None = None
    ahead: int | None = None
    wanted: bool | None = None
    error: str | None = None
    reason: str | None = None
    dead_letter: str | None = None
    discarded_by: str | None = None
    redriven: int = 0
    forgotten: bool = False


class EventStatus(Struct, kw_only=True):
    """An event's head, as far as it is known, where it is, and what each group has done with it."""

    id: str
    event: str | None
    source: str | None
    target: str | list[str] | None
    ts: int | None
    logs: list[EventPlace]
    groups: list[GroupStatus]
    asked_ms: int
    has_more: bool = False


class Held(Struct, frozen=True):
    """What Redis keeps of an event that was handed to a hub and is not acknowledged."""

    hub: str
    idle_ms: int
    attempt: int


class Note(Struct, frozen=True, kw_only=True):
    """What a hub wrote about an event that takes long, or that failed and comes again at ``next_ms``."""

    hub: str
    attempt: int
    max_attempts: int
    instance: str
    since_ms: int
    next_ms: int | None = None
    error: str = ""


class Receipt(Struct, frozen=True, kw_only=True):
    """What is recorded of an event that is done with: acknowledged, moved to the group's own log, or lost."""

    at_ms: int
    instance: str = ""
    attempt: int = 0
    moved_to: str = ""
    is_lost: bool = False


class Letter(Struct, frozen=True, kw_only=True):
    """What a dead letter says, which may have been discarded."""

    id: str
    error: str
    attempts: int
    last_ms: int
    instance: str
    discarded_by: str = ""
    discard_reason: str = ""


class Definition(Struct, frozen=True, order=True):
    """What a group wants and how often it tries; ``last_ms`` is when a hub has last said so.

    Its condition and its shape are JSON, empty where there is none.
    """

    last_ms: int
    events: tuple[str, ...]
    max_attempts: int
    where: str = ""
    select: str = ""


class GroupFacts(Struct, frozen=True, kw_only=True):
    """All that is known of one group and one place in a log.

    ``began`` is the position after which the group began, None where nobody wrote that down. ``is_recorded`` tells
    whether the record of what is done reaches back to the event.
    """

    service: str
    group: str
    log: str
    position: str
    in_log: bool
    last_delivered: str
    hubs: frozenset[str]
    now_ms: int
    held: Held | None = None
    note: Note | None = None
    receipt: Receipt | None = None
    letter: Letter | None = None
    is_recorded: bool = False
    began: str | None = None
    ahead: int | None = None
    definitions: tuple[Definition, ...] = ()
    is_forgotten: bool = False

    @property
    def is_read(self) -> bool:
        """Whether the group has read the log beyond the event, or up to it."""
        return position_key(self.position) <= position_key(self.last_delivered)


Chooses = Callable[[Definition], bool | None]


def unknown(_definition: Definition) -> None:
    """Say of a condition that it is not known whether it holds."""


def group_status(facts: GroupFacts, event: str | None, chooses: Chooses = unknown) -> GroupStatus:
    """Return what a group has done with an event.

    Args:
        facts: what is known.
        event: its name, None where that is not known any more.
        chooses: tells whether the condition of a definition holds for the event, None where that is not known.

    """
    status = GroupStatus(
        service=facts.service,
        group=facts.group,
        log=facts.log,
        position=facts.position,
        state=State.UNKNOWN,
        hubs=len(facts.hubs),
        offline=not facts.hubs,
        forgotten=facts.is_forgotten,
    )
    if facts.held is not None:
        _in_hand(status, facts, facts.held)
    elif facts.letter is not None:
        _dead(status, facts.letter)
    elif not facts.is_read:
        _not_read(status, facts, event, chooses)
    elif facts.receipt is not None:
        _done(status, facts, facts.receipt)
    else:
        _without_a_trace(status, facts, event, chooses)
    return status


def _in_hand(status: GroupStatus, facts: GroupFacts, held: Held) -> None:
    newest = max(facts.definitions, default=None)
    status.state, status.attempt, status.hub = State.DELIVERED, held.attempt, held.hub
    status.max_attempts = newest.max_attempts if newest is not None else None
    status.since_ms = facts.now_ms - held.idle_ms
    note = facts.note
    # A note of another attempt, or of a hub that does not have the event any more, says nothing about this one.
    if note is not None and (note.hub, note.attempt) == (held.hub, held.attempt):
        status.instance, status.max_attempts = note.instance or None, note.max_attempts
        status.since_ms, status.error = note.since_ms, note.error or None
        if note.next_ms is not None:
            status.state, status.next_ms = State.RETRYING, note.next_ms
    if held.hub not in facts.hubs:
        status.reason = "the hub that has it does not serve the group any more; another one takes it over"


def _dead(status: GroupStatus, letter: Letter) -> None:
    status.state, status.dead_letter = State.DEAD, letter.id
    status.error, status.attempt = letter.error, letter.attempts
    status.since_ms, status.instance = letter.last_ms, letter.instance or None
    status.discarded_by = letter.discarded_by or None
    status.reason = f"discarded: {letter.discard_reason}" if letter.discarded_by else None


def _not_read(status: GroupStatus, facts: GroupFacts, event: str | None, chooses: Chooses) -> None:
    if not facts.in_log:
        status.state, status.reason = State.LOST, "the log has dropped it, and the group had not read it"
        return
    wanted = wants(facts, event, chooses)
    newest = max(facts.definitions, default=None)
    if wanted is None and newest is not None and event is not None:
        # Nobody is there to say it anew: what the last member wanted, the next one probably wants.
        wanted = _is_wanted(newest, event, chooses)
    status.state, status.ahead, status.wanted = State.QUEUED, facts.ahead, wanted


def _done(status: GroupStatus, facts: GroupFacts, receipt: Receipt) -> None:
    if receipt.is_lost:
        status.state, status.since_ms = State.LOST, receipt.at_ms
        status.reason = "its hub went away with it, and the log had dropped it before another could take it over"
        return
    status.state, status.acked_ms = State.ACKED, receipt.at_ms
    status.acked_in_ms = max(0, receipt.at_ms - position_key(facts.position)[0])
    status.instance, status.attempt = receipt.instance or None, receipt.attempt
    if not receipt.instance:
        status.reason = "the group handles events once, and had handled this one already"


def _without_a_trace(status: GroupStatus, facts: GroupFacts, event: str | None, chooses: Chooses) -> None:
    began = facts.began
    if began is not None and position_key(facts.position) <= position_key(began):
        status.state, status.reason = State.NOT_WANTED, "the group began after it"
    elif wants(facts, event) is False:
        status.state, status.reason = State.NOT_WANTED, "no pattern of the group matched it"
    elif wants(facts, event, chooses) is False:
        status.state, status.reason = State.NOT_WANTED, "the condition of the group (where) did not hold for it"
    elif facts.is_recorded and began is not None and not facts.in_log:
        status.state, status.reason = State.LOST, "the log has dropped it, and nobody acknowledged it"
    elif facts.is_recorded:
        status.reason = "read, and neither pending nor on record: its patterns have changed, or it is being written"
    else:
        status.reason = "the group is done with it, but the record of how does not reach back so far"


def wants(facts: GroupFacts, event: str | None, chooses: Chooses = unknown) -> bool | None:
    """Tell whether the group wants an event: None where its definitions of that time differ, or are not known."""
    if is_own_log(facts.log):
        return True
    oldest_ms = position_key(facts.position)[0] - DEFINITION_SLACK_MS
    answers = {
        _is_wanted(definition, event, chooses)
        for definition in facts.definitions
        if event is not None and definition.last_ms >= oldest_ms
    }
    return answers.pop() if len(answers) == 1 else None


def _is_wanted(definition: Definition, event: str, chooses: Chooses) -> bool | None:
    if not matches_any(definition.events, event):
        return False
    return chooses(definition) if definition.where else True
