"""Which ratios the benchmark reports: each with its name, what it compares, and what is expected of it."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from bench.report import Run, loaded_rate, ratio, unloaded_p50_ms
from bench.subjects import (
    BASELINES,
    JETSTREAM,
    JETSTREAM_PYTHON,
    JETSTREAM_RAW,
    MOLECULER,
    OURS,
    OURS_DOOR,
    OURS_LIBRARY,
    SOCKETIO,
    SOCKETIO_ACKS,
)
from bench.workloads import WORKLOADS


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One ratio: a figure of ours over the same figure of a peer, in the same rounds.

    Args:
        says: what is compared, for who reads the figure alone.

    """

    name: str
    workload: str
    ours: str
    peer: str
    says: str
    figure: Callable[[Run], float | None] = loaded_rate
    at_least: float | None = None
    at_most: float | None = None

    def of(self, runs: Iterable[Run]) -> float | None:
        """Return the ratio, None where the two did not both do the work."""
        return ratio([run for run in runs if run.workload == self.workload], self.ours, self.peer, self.figure)

    @property
    def expected(self) -> str:
        """What is expected, in words."""
        if self.at_least is not None:
            return f"at least {self.at_least:g}"
        return "" if self.at_most is None else f"at most {self.at_most:g}"

    def verdict(self, value: float | None) -> str:
        """Return whether a value is as expected, in a word; nothing if nothing is expected."""
        if not self.expected:
            return ""
        if value is None:
            return "not measured"
        is_reached = (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )
        return "reached" if is_reached else "MISSED"


_SAYS: Final = {
    "durable": "durable events/s: our server by a raw client, over JetStream by its official Node client",
    "call": "calls/s, 64 in flight: our server by a raw client, over Moleculer",
}
_AT_LEAST: Final = {"targeted": 1.5, "broadcast": 6.0, "durable": 1.2, "call": 1.5}
COMPARISONS: Final = (
    *(
        Comparison(
            name=workload.key,
            workload=workload.key,
            ours=OURS,
            peer=BASELINES[workload.part],
            says=_SAYS.get(
                workload.key, f"{workload.key} deliveries/s: our server over Node Socket.IO, by raw clients"
            ),
            at_least=_AT_LEAST.get(workload.key),
        )
        for workload in WORKLOADS
    ),
    *(
        Comparison(
            name=f"socketio_{workload}",
            workload=workload,
            ours=OURS_DOOR,
            peer=SOCKETIO,
            says=f"{workload} deliveries/s: the Socket.IO door of our bridge over Node Socket.IO, by one raw client",
            at_least=1.0,
        )
        for workload in ("targeted", "broadcast")
    ),
    Comparison(
        name="socketio_durable",
        workload="durable",
        ours=OURS_DOOR,
        peer=SOCKETIO_ACKS,
        says="durable events/s: our Socket.IO door over Node Socket.IO's callbacks, which keep nothing, by raw clients",
        at_least=1.0,
    ),
    Comparison(
        name="durable_raw",
        workload="durable",
        ours=OURS,
        peer=JETSTREAM_RAW,
        says="durable events/s: server against server, both by raw clients",
    ),
    Comparison(
        name="durable_library",
        workload="durable",
        ours=OURS_LIBRARY,
        peer=JETSTREAM,
        says="durable events/s: what services get, ours by IPCWorker over JetStream by its official Node client",
    ),
    Comparison(
        name="durable_python",
        workload="durable",
        ours=OURS_LIBRARY,
        peer=JETSTREAM_PYTHON,
        says="durable events/s: what services in Python get, IPCWorker over JetStream by its official Python client",
    ),
    Comparison(
        name="call_library",
        workload="call",
        ours=OURS_LIBRARY,
        peer=MOLECULER,
        says="calls/s, 64 in flight: what services get, ours by IPCWorker over Moleculer",
    ),
    Comparison(
        name="call_latency",
        workload="call",
        ours=OURS,
        peer=MOLECULER,
        says="median time of a call, one in flight: our server by a raw client, over Moleculer; less is better",
        figure=unloaded_p50_ms,
        at_most=1.3,
    ),
)

Found = Sequence[tuple[Comparison, float | None]]


def found(runs: Sequence[Run]) -> Found:
    """Return the comparisons whose workload ran, each with its ratio."""
    ran = {run.workload for run in runs}
    return [(comparison, comparison.of(runs)) for comparison in COMPARISONS if comparison.workload in ran]


def summary(results: Found) -> str:
    """Return the ratios as text, a line each: its value, what is expected, whether that is reached, what it is of."""
    rows = [f"{'ratio':<18} {'is':>6}  {'expected':<12} {'':<12} of"]
    for comparison, value in results:
        shown = "-" if value is None else f"{value:.3g}"
        verdict = comparison.verdict(value)
        of = f"{comparison.ours} / {comparison.peer}: {comparison.says}"
        rows.append(f"{comparison.name:<18} {shown:>6}  {comparison.expected:<12} {verdict:<12} {of}")
    return "\n".join(rows)
