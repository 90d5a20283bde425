"""What the handlers of a worker want, as subscriptions: what the hub filters for them, and what is filtered here.

A hub sends an event to a session once, as one subscription has it. So handlers that may want the same event in
different ways get it whole, and each filters for itself, by the same rules.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import msgspec
from msgspec import Raw

from ipc.hub.sight import context_of
from ipc.hub.terms import MAX_FILTERED, PLAIN, Terms, terms_of
from ipc.jsonlex import JSONLexError
from ipc.protocol.messages import Event, SelectError, Subscription
from ipc.protocol.overlaps import overlap


@dataclass(frozen=True, slots=True)
class Arrangement:
    """Subscriptions to ask a hub for, and for each handler the terms that are left to this process."""

    subscriptions: list[Subscription]
    terms: list[Terms]


def arranged(wanted: Sequence[Subscription], *, owner: str) -> Arrangement:
    """Return what to ask the hub for, so that handlers get what they want.

    Args:
        wanted: what each handler wants; there may be several that want the same.
        owner: whose they are, for the log.

    Raises:
        JSONLexError: a condition or a shape is wrong.

    """
    here: list[Terms] = [PLAIN] * len(wanted)
    plain: dict[str, None] = {}
    filtered: list[Subscription] = []
    for group in _groups(wanted):
        patterns = dict.fromkeys(pattern for index in group for pattern in wanted[index].events)
        terms = {(content(wanted[index].where), content(wanted[index].select)) for index in group}
        first = wanted[group[0]]
        if first.where is None and first.select is None and len(terms) == 1:
            plain |= patterns
        elif len(terms) == 1 and len(filtered) < MAX_FILTERED:
            filtered.append(Subscription(events=list(patterns), where=first.where, select=first.select))
        else:
            plain |= patterns
            for index in group:
                here[index] = terms_of(wanted[index].where, wanted[index].select, owner=owner)
    return Arrangement([*([Subscription(events=list(plain))] if plain else []), *filtered], here)


def content(expression: object) -> bytes:
    """Return what is the same for equal expressions."""
    return msgspec.json.encode(expression)


def _groups(wanted: Sequence[Subscription]) -> Iterable[list[int]]:
    """Return which handlers may want the same event, directly or by way of others."""
    group_of = list(range(len(wanted)))
    for one, other in combinations(range(len(wanted)), 2):
        if any(overlap(a, b) for a in wanted[one].events for b in wanted[other].events):
            joined, left = group_of[one], group_of[other]
            group_of = [joined if group == left else group for group in group_of]
    return [[index for index, group in enumerate(group_of) if group == name] for name in dict.fromkeys(group_of)]


def chosen(event: Event, terms: Terms) -> Event | None:
    """Return an event that came whole as a handler wants it, None if it does not want it."""
    if terms.is_plain:
        return event
    context = context_of(event)
    if terms.where is not None:
        try:
            if not terms.where.predicate.matches(context):
                return None
        except JSONLexError as error:
            terms.failed("where", event.event, error)
            return None
    if terms.select is None:
        return event
    try:
        return msgspec.structs.replace(event, data=Raw(terms.select.projection.encode(context)))
    except JSONLexError as error:
        terms.failed("select", event.event, error)
        return msgspec.structs.replace(event, select_error=SelectError(code=error.code))
