"""Moments as people write them."""

import pytest

from ipc.protocol.errors import BadMessageError
from ipc.protocol.moments import moment_ms, written_ms

NOW_MS = 1_795_445_282_363


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW_MS - 90_000),
        ("30m", NOW_MS - 1_800_000),
        ("2h", NOW_MS - 7_200_000),
        ("7d", NOW_MS - 604_800_000),
        ("999999999d", 0),
        ("1795445282363", NOW_MS),
        ("2026-11-23T14:48:02.363Z", 1_795_445_282_363),
        ("2026-11-23T15:48:02.363+01:00", 1_795_445_282_363),
        ("2026-11-23 14:48:02.363", 1_795_445_282_363),
        ("2026-11-23", 1_795_392_000_000),
    ],
)
def test_each_form_is_understood(text: str, expected: int) -> None:
    assert moment_ms(text, now_ms=NOW_MS) == expected


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2 h", "-2h", "2w", "12", "2026-13-01", "٣h", "0001-01-01T00:00:00+99:00"]
)
def test_what_is_no_moment_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(BadMessageError, match="is no moment: write 2026"):
        moment_ms(text, now_ms=NOW_MS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("1795445282363", NOW_MS), ("9" * 15, 10**15 - 1), ("9" * 16, None), ("", None), ("-1", None),
     ("1.5", None), (" 1", None), ("\u0661", None), ("soon", None)],
)  # fmt: skip
def test_what_a_program_has_written_is_digits_and_nothing_else(text: str, expected: int | None) -> None:
    assert written_ms(text) == expected
