"""Times as the pages show them: in UTC, and how long ago."""

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def moment(at_ms: int) -> str:
    """Return a moment, given in Unix milliseconds."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def duration(seconds: float) -> str:
    """Return a duration in its two largest units, such as ``2 h 5 min``."""
    left, parts = max(0, int(seconds)), []
    for size, unit in _UNITS:
        number, left = divmod(left, size)
        if number:
            parts.append(f"{number} {unit}")
    return " ".join(parts[:2]) or "0 s"
