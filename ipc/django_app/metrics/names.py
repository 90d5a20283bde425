"""Metrics as Prometheus takes them, made of numbers that are counted anyway (https://prometheus.io/docs/practices/naming/).

Times are in seconds and sizes in bytes. A label is a service of the catalogue, a code of the table, a group, or a log.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from ipc.protocol.latency import BUCKETS, upper_ms
from ipc.protocol.tally import Times

PREFIX: Final = "ipc_"
BOUNDS: Final = tuple(range(0, BUCKETS - 1, 4))
"""Of our buckets every fourth is a bound of theirs, so each is twice the one before: from 62.5 us to 65.536 s."""

Values = Mapping[tuple[str, ...], float]


def counter(name: str, says: str, labels: Iterable[str], values: Values) -> Metric:
    """Return a counter; ``_total`` is added to its name."""
    family = CounterMetricFamily(PREFIX + name, says, labels=list(labels))
    for about, value in sorted(values.items()):
        family.add_metric(list(about), value)
    return family


def gauge(name: str, says: str, labels: Iterable[str], values: Values) -> Metric:
    """Return a gauge."""
    family = GaugeMetricFamily(PREFIX + name, says, labels=list(labels))
    for about, value in sorted(values.items()):
        family.add_metric(list(about), value)
    return family


def histogram(name: str, says: str, labels: Iterable[str], values: Mapping[tuple[str, ...], Times]) -> Metric:
    """Return a histogram in seconds."""
    family = HistogramMetricFamily(PREFIX + name, says, labels=list(labels))
    for about, times in sorted(values.items()):
        family.add_metric(list(about), _cumulative(times), times.total_ms / 1000)
    return family


def _cumulative(times: Times) -> list[tuple[str, float]]:
    found, seen, counted = [], 0, sorted(times.buckets.items())
    for bound in BOUNDS:
        while counted and counted[0][0] <= bound:
            seen += counted.pop(0)[1]
        found.append((f"{upper_ms(bound) / 1000:.7g}", float(seen)))
    return [*found, ("+Inf", float(times.count))]
