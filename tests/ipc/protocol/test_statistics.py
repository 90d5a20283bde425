"""Which windows there are."""

import pytest

from ipc.protocol.errors import BadMessageError
from ipc.protocol.statistics import WINDOWS, window_of


def test_a_window_is_one_of_four() -> None:
    assert [window_of(str(window)) for window in WINDOWS] == [60, 300, 3_600, 86_400]


@pytest.mark.parametrize(
    "text", ["", "0", "61", "-60", "60.0", " 60", "0060", "\uff16\uff10", "1e9", "all", "9" * 1_000]
)
def test_all_else_is_refused(text: str) -> None:
    with pytest.raises(BadMessageError, match="window is 60, 300, 3600, 86400 seconds, not") as refused:
        window_of(text)
    assert len(refused.value.message) < 200
