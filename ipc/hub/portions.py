"""How many events of a log are read at once."""

from collections.abc import Sequence
from typing import Final

from ipc.stores.eventlog import Entry

READ_COUNT: Final = 100
READ_BYTES: Final = 1024 * 1024
# With data as large as it may be, so many are a megabyte.
FIRST_READ_COUNT: Final = 4


def fitting(entries: Sequence[Entry]) -> int:
    """Return how many events like these to read at once: an outbox has to hold them, and the next may be as large."""
    average = sum(len(entry.frame) for entry in entries) // len(entries) + 1
    return min(READ_COUNT, max(1, READ_BYTES // average))
