"""Who would get an event, and who would not and why: the decision, from plain values.

It asks what deliveries ask: `Interest` for patterns, and the conditions of subscriptions.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ipc.hub.group_rights import current
from ipc.hub.interest import Interest
from ipc.hub.terms import terms_of
from ipc.jsonlex import JSONLexError
from ipc.protocol.delivery_status import Definition
from ipc.protocol.discovery import Hearing
from ipc.protocol.explanation import GroupVerdict, LiveVerdict, Reason
from ipc.protocol.patterns import compile_pattern
from ipc.protocol.permissions import is_allowed
from ipc.protocol.routing import BROADCAST
from ipc.stores.group_states import GroupState
from ipc.stores.registry import Registration


@dataclass(frozen=True, slots=True)
class Supposed:
    """An event as it would be: its name, the logs that it would be appended to, and what conditions see of it."""

    event: str
    logs: tuple[str, ...]
    context: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one subscription makes of an event; ``gets`` is None where that is not known."""

    gets: bool | None
    reason: Reason
    text: str
    pattern: str | None = None


# The further an event gets, the more its reason says.
_FURTHEST: Final = (
    Reason.MATCH,
    Reason.SELECT_FAILED,
    Reason.UNKNOWN,
    Reason.WHERE,
    Reason.WHERE_FAILED,
    Reason.PATTERN,
)


def judge(hearing: Hearing, event: Supposed) -> Judgement:
    """Return what a subscription makes of an event."""
    interest = Interest()
    interest.add(hearing.events)
    if not interest.wants(event.event):
        return Judgement(False, Reason.PATTERN, f"no pattern matches: {', '.join(hearing.events[:8])}")
    pattern = next(pattern for pattern in hearing.events if compile_pattern(pattern)(event.event))
    if hearing.is_cut:
        return Judgement(None, Reason.UNKNOWN, "its condition is too large to be known here", pattern)
    try:
        terms = terms_of(hearing.where, hearing.select)
        if terms.where is not None and not terms.where.predicate.matches(dict(event.context)):
            return Judgement(False, Reason.WHERE, "its where is false for the event", pattern)
    except JSONLexError as error:
        return Judgement(False, Reason.WHERE_FAILED, f"its where fails on the event: {error.message}", pattern)
    try:
        if terms.select is not None:
            terms.select.projection.shape(dict(event.context))
    except JSONLexError as error:
        text = f"the pattern {pattern} matches; its select fails, so the data comes whole: {error.message}"
        return Judgement(True, Reason.SELECT_FAILED, text, pattern)
    return Judgement(True, Reason.MATCH, f"the pattern {pattern} matches", pattern)


def live_verdict(registration: Registration, event: Supposed) -> LiveVerdict:
    """Return whether an attached instance would get an event by its live subscriptions."""
    judgement = _live_judgement(registration, event)
    return LiveVerdict(
        service=registration.service,
        instance=registration.instance,
        gets=judgement.gets,
        reason=judgement.reason,
        text=judgement.text,
        pattern=judgement.pattern,
    )


def _live_judgement(registration: Registration, event: Supposed) -> Judgement:
    if not _is_for(registration.service, event.logs):
        return Judgement(False, Reason.TARGET, f"it is for {', '.join(event.logs)}")
    judgement = _best(judge(hearing, event) for hearing in registration.hears if not hearing.group)
    if judgement is not None and judgement.reason is not Reason.PATTERN:
        return judgement
    permissions = frozenset(registration.permissions)
    if permissions and not is_allowed(permissions, "subscribe", event.event):
        return Judgement(False, Reason.PERMISSION, f"it lacks the permission subscribe:{event.event}")
    return judgement or Judgement(False, Reason.NOT_SUBSCRIBED, "it has no live subscription")


def group_verdict(state: GroupState, definitions: Sequence[Definition], event: Supposed) -> GroupVerdict:
    """Return whether a durable group would get an event, and what is before it."""
    judgement = _group_judgement(state, definitions, event)
    ahead = None if state.lag is None else state.lag + state.pending
    text = judgement.text
    if judgement.gets and not state.hubs:
        text += "; no member is there, so it waits in the log"
    elif judgement.gets and ahead:
        text += f"; {ahead} events are before it"
    return GroupVerdict(
        service=state.service,
        group=state.group,
        gets=judgement.gets,
        reason=judgement.reason,
        text=text,
        offline=not state.hubs,
        hubs=state.hubs,
        ahead=ahead,
        lost=state.lost,
        dead=state.dead,
        pattern=judgement.pattern,
    )


def _group_judgement(state: GroupState, definitions: Sequence[Definition], event: Supposed) -> Judgement:
    if not _is_for(state.service, event.logs):
        return Judgement(False, Reason.TARGET, f"it is for {', '.join(event.logs)}")
    judgements = [judge(hearing_of(definition), event) for definition in current(definitions)]
    if not judgements:
        return Judgement(None, Reason.UNKNOWN, "nobody has said what it wants")
    if len({judgement.gets for judgement in judgements}) > 1:
        return Judgement(None, Reason.UNKNOWN, "its members want different things, or did until a moment ago")
    return judgements[-1]


def hearing_of(definition: Definition) -> Hearing:
    """Return what a group wants as a subscription."""
    return Hearing(
        events=definition.events,
        where=msgspec.json.decode(definition.where) if definition.where else None,
        select=msgspec.json.decode(definition.select) if definition.select else None,
    )


def _best(judgements: Iterable[Judgement]) -> Judgement | None:
    return min(judgements, key=lambda judgement: _FURTHEST.index(judgement.reason), default=None)


def _is_for(service: str, logs: tuple[str, ...]) -> bool:
    return service in logs or BROADCAST in logs
