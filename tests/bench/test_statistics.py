"""The benchmark of statistics: with and without counting all events are emitted, and counting alone takes some time."""

import pytest

from bench import statistics


async def test_each_kind_is_measured() -> None:
    found = await statistics.measure(events=40, rounds=1, batch=20, listeners=2)
    assert list(found) == ["without", "with"]
    assert all(spent_us > 0 for spent_us in found.values())


def test_what_was_measured_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["bench.statistics", "--events", "100", "--rounds", "1"])
    monkeypatch.setattr(statistics, "TURNS", 100)
    statistics.main()
    assert capsys.readouterr().out.count("\n") == 8
