"""Moments as people write them: a date and time, milliseconds, or how long ago."""

import re
from datetime import UTC, datetime
from typing import Final

from ipc.protocol.errors import BadMessageError

_AGO: Final = re.compile(r"([0-9]{1,9})([smhd])", re.ASCII)
MAX_DIGITS: Final = 15
"""Of Unix milliseconds, until the year 33658."""
_UNITS_MS: Final = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MS: Final = re.compile(rf"[0-9]{{10,{MAX_DIGITS}}}", re.ASCII)


def written_ms(text: str) -> int | None:
    """Return Unix milliseconds that a program has written down, None where the text is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS else None


def moment_ms(text: str, *, now_ms: int) -> int:
    """Return a moment in Unix milliseconds; a date without an offset is in UTC.

    Raises:
        BadMessageError: INVALID_MESSAGE, with the forms that are understood.

    """
    if match := _AGO.fullmatch(text):
        return max(0, now_ms - int(match[1]) * _UNITS_MS[match[2]])
    if _MS.fullmatch(text):
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return max(0, int(aware.timestamp() * 1000))
    except (ValueError, OverflowError):
        raise BadMessageError(
            f"{text[:64]!r} is no moment: write 2026-11-23T14:30:00Z, Unix milliseconds, or how long ago, such as 90s, "
            "30m, 2h or 7d"
        ) from None
