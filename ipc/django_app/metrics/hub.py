"""What the hub of this process has counted since it started, and how it stands, as metrics."""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import Metric

from ipc.django_app.metrics.names import counter, gauge, histogram
from ipc.hub.hub import Hub
from ipc.hub.tally_figures import PLAIN
from ipc.protocol.tally import (
    ACKED,
    BYPASSED,
    CALL_FAILED,
    CALLED,
    DELIVERED,
    DELIVERY,
    EMITTED,
    FAILED,
    LAG_MS,
    REFUSED,
    SESSIONS,
    Tally,
    Times,
    parts,
)


def metrics_of_hub(hub: Hub) -> Iterator[Metric]:
    """Return the metrics of a hub: no event's name is in them, since there is no end to those."""
    tally = hub.statistics.since_start
    yield from _events(tally)
    yield from _calls(tally)
    refused, bypassed = _of(tally.counts, REFUSED), _of(tally.counts, BYPASSED)
    yield counter("messages_refused", "Messages that services were refused, by code.", ("service", "code"), refused)
    yield counter("bypass_uses", "Uses of the development bypass, by kind.", ("kind",), bypassed)
    yield gauge("sessions", "Sessions attached to this process.", ("service",), _of(tally.gauges, SESSIONS))
    lag_s = tally.gauges.get(LAG_MS, 0) / 1000
    yield gauge("log_lag_seconds", "How far this process is behind the log it is furthest behind.", (), {(): lag_s})
    for name in PLAIN:
        says = f"What this process has counted as {name} (docs/howto/monitoring.md)."
        yield counter(f"hub_{name}", says, (), {(): getattr(hub.counters, name)})


def _events(tally: Tally) -> Iterator[Metric]:
    emitted, delivered = _of(tally.counts, EMITTED), _of(tally.counts, DELIVERED)
    acked = _of(tally.counts, ACKED)
    yield counter("events_appended", "Events appended to logs, by who emitted them.", ("source",), emitted)
    yield counter("events_delivered", "Events handed to sessions.", ("source", "service"), delivered)
    yield counter("events_acknowledged", "Events that groups have acknowledged.", ("service", "group"), acked)
    yield histogram(
        "event_delivery_seconds",
        "Time from an event's append until it was handed to the live sessions of this process.",
        (),
        {(): tally.times.get(DELIVERY, Times())},
    )
    yield histogram(
        "event_acknowledgement_seconds",
        "Time from an event's append until a group had acknowledged it.",
        ("service",),
        _by_first(tally, ACKED),
    )


def _calls(tally: Tally) -> Iterator[Metric]:
    called, failed = _of(tally.counts, CALLED), _of(tally.counts, CALL_FAILED)
    yield counter("calls", "Calls of this process's sessions that have ended.", ("source", "service"), called)
    yield counter("calls_failed", "Those of them that ended with an error.", ("source", "service"), failed)
    yield counter("call_errors", "Those of them, by the code of the error.", ("code",), _of(tally.counts, FAILED))
    yield histogram(
        "call_seconds",
        "Time that callers of this process have waited for replies, by who serves.",
        ("service",),
        _by_first(tally, CALLED),
    )


def _of(numbers: Mapping[str, int], kind: str) -> dict[tuple[str, ...], float]:
    named = ((parts(name), number) for name, number in numbers.items())
    return {tuple(about): number for (of, *about), number in named if of == kind}


def _by_first(tally: Tally, kind: str) -> dict[tuple[str, ...], Times]:
    found: defaultdict[tuple[str, ...], Times] = defaultdict(Times)
    for name, times in tally.times.items():
        of, *about = parts(name)
        if of == kind:
            found[(about[0],)].add(times)
    return found
