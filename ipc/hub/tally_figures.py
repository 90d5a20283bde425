"""What a tally says, in figures with names: pure, from numbers that were added up over hubs and over time."""

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Final

from ipc.hub.counters import Counters
from ipc.protocol.latency import quantile_ms
from ipc.protocol.statistics import (
    CodeFigures,
    Edge,
    EventFigures,
    GroupFigures,
    Latency,
    OperationFigures,
    ServiceFigures,
    Totals,
)
from ipc.protocol.tally import (
    ACKED,
    BYPASSED,
    CALL_FAILED,
    CALLED,
    DELIVERED,
    DELIVERY,
    EMITTED,
    FAILED,
    REFUSED,
    SERVED,
    SERVED_FAILED,
    SESSIONS,
    STRANGERS,
    Tally,
    Times,
    joined,
    parts,
)
from ipc.stores.group_states import GroupState

PLAIN: Final = tuple(each.name for each in fields(Counters) if each.type is int)
"""The names of what hubs count of themselves."""


def latency_of(times: Times | None) -> Latency:
    """Return how long some have taken."""
    if times is None or not (count := times.count):
        return Latency()
    return Latency(
        count=count,
        mean_ms=round(times.total_ms / count, 3),
        p50_ms=round(quantile_ms(times.buckets, 0.5), 3),
        p99_ms=round(quantile_ms(times.buckets, 0.99), 3),
    )


def sessions_in(tally: Tally) -> int:
    """Return how many sessions there are in all."""
    return sum(number for name, number in tally.gauges.items() if parts(name)[0] == SESSIONS)


def totals(in_all: Tally) -> Totals:
    """Return what happened in all."""
    counts, times = in_all.counts, in_all.times
    return Totals(
        emitted=counts.get(EMITTED, 0),
        delivered=counts.get(DELIVERED, 0),
        calls=counts.get(CALLED, 0),
        calls_failed=counts.get(CALL_FAILED, 0),
        refused=counts.get(REFUSED, 0),
        acked=counts.get(ACKED, 0),
        bypassed=counts.get(BYPASSED, 0),
        delivery=latency_of(times.get(DELIVERY)),
        ack=latency_of(times.get(ACKED)),
        call=latency_of(times.get(CALLED)),
        counters={name: counts[name] for name in PLAIN if name in counts},
    )


def services(tally: Tally, now: Tally) -> list[ServiceFigures]:
    """Return what each service did, by name; ``now`` has the gauges."""
    found: dict[str, ServiceFigures] = {}

    def of(service: str) -> ServiceFigures:
        return found.setdefault(service, ServiceFigures(service=service))

    for source, _, number in _pairs(tally, EMITTED):
        of(source).emitted += number
    for _, target, number in _pairs(tally, DELIVERED):
        of(target).delivered += number
    for caller, owner, number in _pairs(tally, CALLED):
        of(caller).calls_made += number
        of(owner).calls_had += number
    for caller, owner, number in _pairs(tally, CALL_FAILED):
        of(caller).calls_made_failed += number
        of(owner).calls_had_failed += number
    for service, _, number in _pairs(tally, REFUSED):
        of(service).refused += number
    for name, number in now.gauges.items():
        kind, *about = parts(name)
        if kind == SESSIONS:
            of(about[0]).sessions = number
    for service, figures in found.items():
        figures.call = latency_of(tally.times.get(joined(CALLED, service)))
    return [figures for _, figures in sorted(found.items())]


def events(tally: Tally) -> list[EventFigures]:
    """Return which events were emitted, the most frequent ones first."""
    found = [
        EventFigures(event=event, source=source, emitted=number) for source, event, number in _pairs(tally, EMITTED)
    ]
    return sorted(found, key=lambda figures: (-figures.emitted, figures.event, figures.source))


def edges(tally: Tally) -> list[Edge]:
    """Return who has sent what to whom, by their names."""
    found: dict[tuple[str, str], Edge] = {}

    def between(source: str, target: str) -> Edge:
        return found.setdefault((source, target), Edge(source=source, target=target))

    for source, target, number in _pairs(tally, DELIVERED):
        between(source, target).events = number
    for caller, owner, number in _pairs(tally, CALLED):
        between(caller, owner).calls = number
    for caller, owner, number in _pairs(tally, CALL_FAILED):
        between(caller, owner).calls_failed = number
    return [edge for _, edge in sorted(found.items())]


def operations(tally: Tally) -> list[OperationFigures]:
    """Return how operations on resources went, those called most first."""
    found = [
        OperationFigures(
            service=service,
            operation=operation,
            calls=number,
            failed=tally.counts.get(joined(SERVED_FAILED, service, operation), 0),
            latency=latency_of(tally.times.get(joined(SERVED, service, operation))),
        )
        for service, operation, number in _pairs(tally, SERVED)
    ]
    return sorted(found, key=lambda figures: (-figures.calls, figures.service, figures.operation))


def codes(tally: Tally) -> list[CodeFigures]:
    """Return with which codes messages were refused and calls failed, by the codes' names."""
    found: dict[str, CodeFigures] = {}

    def of(code: str) -> CodeFigures:
        return found.setdefault(code, CodeFigures(code=code, refused={}, strangers={}, calls_failed=0))

    for service, code, number in _pairs(tally, REFUSED):
        of(code).refused[service] = number
    for service, code, number in _pairs(tally, STRANGERS):
        of(code).strangers[service] = number
    for code, number in _singles(tally, FAILED):
        of(code).calls_failed = number
    return [figures for _, figures in sorted(found.items())]


def bypasses(tally: Tally) -> dict[str, int]:
    """Return how often the development bypass was used, by kind."""
    return dict(_singles(tally, BYPASSED))


def groups(tally: Tally, states: Sequence[GroupState]) -> list[GroupFigures]:
    """Return what groups have done, and how they stand, by service and name."""
    found = {
        (state.service, state.group): GroupFigures(
            service=state.service,
            group=state.group,
            hubs=state.hubs,
            pending=state.pending,
            waiting=state.lag,
            oldest_pending_ms=state.oldest_pending_ms,
            lost=state.lost,
            dead=state.dead,
        )
        for state in states
    }
    for service, group, number in _pairs(tally, ACKED):
        figures = found.setdefault((service, group), GroupFigures(service=service, group=group))
        figures.acked = number
        figures.ack = latency_of(tally.times.get(joined(ACKED, service, group)))
    return [figures for _, figures in sorted(found.items())]


def _pairs(tally: Tally, kind: str) -> Iterator[tuple[str, str, int]]:
    for name, number in tally.counts.items():
        of, *about = parts(name)
        if of == kind and len(about) > 1:
            yield about[0], about[1], number


def _singles(tally: Tally, kind: str) -> Iterator[tuple[str, int]]:
    for name, number in tally.counts.items():
        of, *about = parts(name)
        if of == kind and len(about) == 1:
            yield about[0], number
