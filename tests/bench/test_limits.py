"""The benchmark of rate limits: each kind emits all of its events, and none is refused."""

import pytest

from bench import limits


async def test_each_kind_is_measured() -> None:
    found = await limits.measure(events=50, rounds=1)
    assert list(found) == ["without", "lent", "asked each time"]
    assert all(spent_us > 0 for spent_us in found.values())


def test_what_was_measured_is_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["bench.limits", "--events", "20", "--rounds", "1"])
    limits.main()
    assert capsys.readouterr().out.count("us of CPU for each event") == 3
