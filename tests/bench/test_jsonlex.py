"""The benchmark of expressions: each task gives what it should before it is timed, and ratios are of one run."""

import json
from pathlib import Path

import pytest

from bench import jsonlex as bench_jsonlex
from bench.jsonlex import TASKS, by_hand, main, ours, ratios, table
from bench.peers.expressions import plain


@pytest.mark.parametrize("tasks", [ours(), by_hand()], ids=["ours", "by hand"])
def test_each_task_gives_what_it_should(tasks: bench_jsonlex.Tasks) -> None:
    assert tuple(tasks) == TASKS
    for run, expected in tasks.values():
        assert plain(run()) == expected


def test_ratios_say_how_many_times_as_long_the_others_take() -> None:
    found: dict[str, dict[str, float | str]] = {
        "jsonlex": {"seed": 2e-6, "where": 1e-6},
        "peer": {"seed": 1e-5, "where": "gives something else"},
    }
    assert ratios(found) == {"peer": {"seed": 5.0}}
    shown = table(found)
    assert "10.00 (5x)" in shown
    assert "gives something else" in shown


def test_what_cannot_be_installed_is_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def not_to_be_had(folder: Path) -> dict[str, dict[str, float | str]]:
        raise OSError(f"no room in {folder}")

    monkeypatch.setattr(bench_jsonlex, "peers", not_to_be_had)
    monkeypatch.setattr(bench_jsonlex, "seconds", lambda _run: 1e-6)
    output = tmp_path / "found.json"
    assert main(["--peers-dir", str(tmp_path), "--output", str(output)]) == 0
    found = json.loads(output.read_text())
    assert found["ratios"] == {"by hand": dict.fromkeys(TASKS, 1.0)}
    assert "no room" in found["skipped"]["peers"]
    assert "skipped" in capsys.readouterr().out


def test_a_task_that_gives_something_else_is_not_timed() -> None:
    assert bench_jsonlex.timed({"seed": (lambda: 1, 2)}) == {"seed": "gives 1"}
