"""Numbers as the pages write them."""

import pytest

from bridge.templatetags.console import duration, ms, rate, short


@pytest.mark.parametrize(
    ("count", "seconds", "said"),
    [(0, 60, "0"), (0, 0, "0"), (1, 60, "0.017"), (90, 60, "1.5"), (1_234, 60, "20.6"), (1_000_000, 60, "16,667")],
)
def test_a_rate(count: int, seconds: int, said: str) -> None:
    assert rate(count, seconds) == said


@pytest.mark.parametrize(("value", "said"), [(0.0, "0 ms"), (0.123, "0.12 ms"), (9.87, "9.9 ms"), (1_234.5, "1234 ms")])
def test_milliseconds(value: float, said: str) -> None:
    assert ms(value) == said


def test_names_and_durations() -> None:
    assert (short("exprsn-herald"), duration(61)) == ("herald", "1 min 1 s")
