"""The command line chooses what runs."""

from pathlib import Path

import pytest

from bench.options import RESULTS, parse
from bench.subjects import OURS, PAIRS, SOCKETIO, SUBJECTS
from bench.workloads import CALL, DURABLE, WORKLOADS, Part


def test_a_whole_run_is_kept() -> None:
    """Without options everything but TLS runs three times, and the results are written."""
    options = parse([])
    assert options.rounds == 3
    assert options.workloads == WORKLOADS
    assert [subject.name for subject in options.subjects] == [s.name for s in SUBJECTS if not s.tls]
    assert options.output == RESULTS


@pytest.mark.parametrize("arguments", [["--quick"], ["--only", "targeted"]])
def test_a_part_is_not_kept(arguments: list[str]) -> None:
    """A quick or partial run never overwrites the results of a whole one, unless it is told to."""
    assert parse(arguments).output is None
    assert parse([*arguments, "--output", "here.json"]).output == Path("here.json")


def test_only_takes_servers_and_workloads() -> None:
    """Names of both kinds narrow their own kind."""
    options = parse(["--only", f"{OURS}, {SOCKETIO},broadcast_20"])
    assert [subject.name for subject in options.subjects if subject.part is Part.LIVE] == [OURS, SOCKETIO]
    assert [workload.key for workload in options.workloads] == ["broadcast_20"]
    assert parse(["--only", "echo"]).subjects == parse([]).subjects


def test_tls_adds_the_servers_with_tls() -> None:
    """TLS costs time, so it is asked for."""
    assert parse(["--tls"]).subjects == SUBJECTS


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "nothing"], "there is no nothing; known are broadcast"),
        (["--rounds", "0"], "0 is not a number of 1 or more"),
        (["--events", "many"], "many"),
        (["--seconds", "0"], "0 is not a number of seconds"),
    ],
)
def test_a_wrong_option_is_explained(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake ends the program with what was wrong."""
    with pytest.raises(SystemExit):
        parse(arguments)
    assert said in capsys.readouterr().err


def test_pairs_name_servers() -> None:
    """Every reported ratio is one of servers that there are, and no two servers of a workload share a name."""
    for part in Part:
        subjects = [subject.name for subject in SUBJECTS if subject.part is part]
        assert len(set(subjects)) == len(subjects)
        assert OURS in subjects
    names = {subject.name for subject in SUBJECTS}
    assert all({ours, peer} <= names for ours, peer in PAIRS)


def test_each_workload_has_its_window() -> None:
    """Calls have fewer in flight, and without load all have one."""
    options = parse(["--events", "5000"])
    assert (options.plan(DURABLE).loaded.window, options.plan(CALL).loaded.window) == (200, 64)
    assert {options.plan(workload).unloaded.window for workload in WORKLOADS} == {1}
    assert options.plan(CALL).loaded.events == 5000
