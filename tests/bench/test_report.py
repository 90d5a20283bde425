"""What is reported is what was measured: ratios of the same round only, and trouble in plain sight."""

import json
from pathlib import Path

from bench.report import Run, document, lines, machine, rate_ratios, ratio, table, unloaded_p50_ms, write
from bench.workloads import Measured

TITLES = {"ours": "our bridge", "peer": "a peer"}


def title_of(subject: str, _workload: str) -> str:
    """Return what the table shows for a subject."""
    return TITLES[subject]


def measured(rate: float, *, lost: int = 0, repeated: int = 0) -> Measured:
    """Return a phase of one second."""
    return Measured(
        sent=1000, deliveries=int(rate), lost=lost, repeated=repeated, seconds=1.0, p50_ms=0.25, p99_ms=rate / 1000
    )


def run(subject: str, round_number: int, rate: float, workload: str = "targeted", *, lost: int = 0) -> Run:
    """Return a run with both of its phases."""
    return Run(
        subject=subject,
        workload=workload,
        round=round_number,
        loaded=measured(rate, lost=lost),
        unloaded=measured(rate),
    )


def test_a_ratio_is_the_median_over_rounds() -> None:
    """Each round is compared with itself, so a slow minute of the machine does not count for one side."""
    runs = [run("ours", 0, 300), run("peer", 0, 100), run("ours", 1, 1000), run("peer", 1, 200)]
    runs += [run("ours", 2, 40), run("peer", 2, 10)]
    assert ratio(runs, "ours", "peer") == 4.0


def test_ratios_are_per_workload() -> None:
    """Workloads do not mix."""
    runs = [
        run("ours", 0, 300),
        run("peer", 0, 100),
        run("ours", 0, 900, "broadcast"),
        run("peer", 0, 100, "broadcast"),
    ]
    assert rate_ratios(runs, "ours", "peer") == {"targeted": 3.0, "broadcast": 9.0}


def test_a_run_that_lost_something_makes_no_ratio() -> None:
    """A server that drops events would look fast."""
    runs = [run("ours", 0, 300, lost=1), run("peer", 0, 100), run("ours", 1, 200), run("peer", 1, 100)]
    assert ratio(runs, "ours", "peer") == 2.0


def test_a_peer_that_did_not_run_makes_no_ratio() -> None:
    """The result says null, not zero and not one."""
    assert ratio([run("ours", 0, 300)], "ours", "peer") is None
    assert ratio([Run(subject="ours", workload="echo", round=0, failure="refused")], "ours", "peer") is None
    assert rate_ratios([run("ours", 0, 300)], "ours", "peer") == {}


def test_lines_are_medians() -> None:
    """A line has every round's rate and the median of each figure."""
    (line,) = lines([run("ours", 0, 100), run("ours", 1, 300), run("ours", 2, 200)])
    assert (line.rate, line.rates) == (200, (100, 300, 200))
    assert (line.loaded_p50_ms, line.loaded_p99_ms) == (0.25, 0.2)
    assert line.trouble == ""


def test_trouble_is_told() -> None:
    """Lost, repeated and failed runs stand in the line."""
    repeating = Run(subject="ours", workload="targeted", round=1, loaded=measured(1, repeated=2))
    failed = Run(subject="ours", workload="targeted", round=2, failure="ConnectionResetError: gone")
    (line,) = lines([run("ours", 0, 100, lost=7), repeating, failed])
    assert line.trouble == "stalled, 7 deliveries lost; 2 deliveries repeated; ConnectionResetError: gone"
    assert line.trouble in table([line], title_of, lambda _: "peer")


def test_the_table_shows_multiples_of_the_baseline() -> None:
    """Every row is readable by itself."""
    text = table(lines([run("ours", 0, 4500), run("peer", 0, 1500)]), title_of, lambda _: "peer")
    head, ours, peer = text.splitlines()
    assert head.startswith("targeted")
    assert ours.split() == ["our", "bridge", "4,500", "(4,500-4,500)", "3.00x", "0.25/4.50", "ms", "0.25/4.50", "ms"]
    assert "1.00x" in peer


def test_the_table_stands_without_a_baseline() -> None:
    """A missing baseline leaves the multiples out."""
    text = table(lines([run("ours", 0, 4500)]), title_of, lambda _: "peer")
    assert "4,500" in text
    assert "x " not in text.splitlines()[1]


def test_the_document_has_the_ratios_on_top(tmp_path: Path) -> None:
    """The file is JSON with the ratios on top and one run a line."""
    runs = [run("ours", 0, 300), run("peer", 0, 100), run("other", 0, 600)]
    results = document(
        runs,
        ratios={"targeted": 3.0, "durable": None},
        compares={"targeted": "ours over a peer"},
        pairs=[("ours", "other"), ("ours", "absent")],
        skipped={"absent": "node is not installed"},
        machine=machine(node=None, nats_server=None),
    )
    path = tmp_path / "results" / "latest.json"
    write(results, path)
    read = json.loads(path.read_text())
    assert read == results
    assert read["ratios"] == {"targeted": 3.0, "durable": None}
    assert read["pairs"] == {"ours / other": {"targeted": 0.5}}
    assert read["skipped"] == {"absent": "node is not installed"}
    assert sum(line.startswith('{"workload"') for line in path.read_text().splitlines()) == 3


def test_a_ratio_of_times_is_of_the_unloaded_phase() -> None:
    """Latency is compared where nothing waits in a queue."""
    slow = measured(100)
    fast = Measured(sent=1, deliveries=1, lost=0, repeated=0, seconds=1.0, p50_ms=0.1, p99_ms=0.1)
    runs = [
        Run(subject="ours", workload="call", round=0, loaded=fast, unloaded=slow),
        Run(subject="peer", workload="call", round=0, loaded=slow, unloaded=fast),
    ]
    assert ratio(runs, "ours", "peer", unloaded_p50_ms) == 2.5


def test_calls_are_called_calls() -> None:
    """The rate of calls is not taken for one of deliveries."""
    runs = [run("ours", 0, 4500, "call"), run("peer", 0, 1500, "targeted")]
    calls, deliveries = table(lines(runs), title_of, lambda _: "peer").split("\n\n")
    assert "calls/s" in calls.splitlines()[0]
    assert "deliveries/s" in deliveries.splitlines()[0]
    results = document(runs, ratios={}, compares={}, pairs=[], skipped={}, machine={})
    assert results["runs"][0]["calls_per_s"] == [4500]
