"""No ratio without its name, what it compares, and whether it is what is expected."""

import pytest

from bench.comparisons import COMPARISONS, Comparison, found, summary
from bench.report import Run
from bench.subjects import SUBJECTS
from bench.workloads import WORKLOADS, Measured, part_of

BY_NAME = {comparison.name: comparison for comparison in COMPARISONS}


def run(subject: str, workload: str, rate: float, p50_ms: float = 1.0) -> Run:
    """Return a run of one round."""
    phase = Measured(sent=1, deliveries=int(rate), lost=0, repeated=0, seconds=1.0, p50_ms=p50_ms, p99_ms=p50_ms)
    return Run(subject=subject, workload=workload, round=0, loaded=phase, unloaded=phase)


def test_every_workload_has_a_ratio_of_its_name() -> None:
    """What is measured is reported, and each name stands once."""
    assert len(BY_NAME) == len(COMPARISONS)
    assert {workload.key for workload in WORKLOADS} <= set(BY_NAME)


@pytest.mark.parametrize("comparison", COMPARISONS, ids=lambda comparison: comparison.name)
def test_a_ratio_is_of_servers_that_do_its_workload(comparison: Comparison) -> None:
    """Both sides are in the workload's part, and the words say what is compared."""
    part = part_of(comparison.workload)
    assert {comparison.ours, comparison.peer} <= {subject.name for subject in SUBJECTS if subject.part is part}
    assert comparison.ours.startswith("ours")
    assert " over " in comparison.says or "against" in comparison.says


def test_what_is_expected() -> None:
    """The expectations that the system was built to."""
    expected = {comparison.name: comparison.expected for comparison in COMPARISONS if comparison.expected}
    assert expected == {
        "targeted": "at least 1.5",
        "broadcast": "at least 6",
        "socketio_targeted": "at least 1",
        "socketio_broadcast": "at least 1",
        "socketio_durable": "at least 1",
        "durable": "at least 1.2",
        "call": "at least 1.5",
        "call_latency": "at most 1.3",
    }


def test_durable_work_is_compared_in_five_ways() -> None:
    """What a raw client gets, what a service gets, and server against server are different figures."""
    rates = {"ours-uvicorn": 30, "ours-worker": 12, "jetstream-raw": 60, "jetstream-node": 15, "jetstream-python": 6}
    rates |= {"ours-socketio": 9, "socketio-acks": 6}
    results = found([run(subject, "durable", rate) for subject, rate in rates.items()])
    assert {comparison.name: value for comparison, value in results} == {
        "durable": 2.0,
        "socketio_durable": 1.5,
        "durable_raw": 0.5,
        "durable_library": 0.8,
        "durable_python": 2.0,
    }


def test_calls_are_compared_by_rate_and_by_time() -> None:
    """Less time is better, so that ratio has an upper bound."""
    results = {
        comparison.name: (value, comparison.verdict(value))
        for comparison, value in found([run("ours-uvicorn", "call", 40, 0.3), run("moleculer", "call", 20, 0.2)])
    }
    assert results == {"call": (2.0, "reached"), "call_library": (None, ""), "call_latency": (1.5, "MISSED")}


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("targeted", 1.5, "reached"),
        ("targeted", 1.49, "MISSED"),
        ("targeted", None, "not measured"),
        ("call_latency", 1.3, "reached"),
        ("durable_raw", 0.1, ""),
        ("durable_raw", None, ""),
    ],
)
def test_a_verdict_is_of_the_bound(name: str, value: float | None, verdict: str) -> None:
    """The bound itself is enough; where nothing is expected there is no verdict."""
    assert BY_NAME[name].verdict(value) == verdict


def test_the_summary_names_everything() -> None:
    """A figure can be read without the code, and one that is missing is said to be missing."""
    head, targeted, door = summary(
        found([run("ours-uvicorn", "targeted", 30), run("socketio-seed", "targeted", 25)])
    ).splitlines()
    assert head.split() == ["ratio", "is", "expected", "of"]
    assert targeted.split()[:6] == ["targeted", "1.2", "at", "least", "1.5", "MISSED"]
    assert "ours-uvicorn / socketio-seed" in targeted
    assert door.split()[:2] == ["socketio_targeted", "-"]
    (_, alone, _) = summary(found([run("ours-uvicorn", "targeted", 30)])).splitlines()
    assert alone.split()[:2] == ["targeted", "-"]
    assert "not measured" in alone
