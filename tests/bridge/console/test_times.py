"""Times as people read them."""

import pytest

from bridge.console.times import duration, moment


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3_725, "1 h 2 min"),
        (90_000, "1 d 1 h"),
        (86_400 * 400, "400 d"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_moment_is_in_utc() -> None:
    assert moment(1_800_000_000_999) == "2027-01-15 08:00:00"
