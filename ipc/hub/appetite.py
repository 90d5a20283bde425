"""How many events to ask a log for at once."""

from collections.abc import Sequence
from typing import Final

from ipc.stores.eventlog import Entry

MAX_COUNT: Final = 256
READ_BYTES: Final = 4 * 1024 * 1024


class Appetite:
    """Learns from what was read: nothing that was wanted, or events that are large."""

    def __init__(self) -> None:
        self._skipped = 0
        self._average_bytes = 1

    def count(self, free: int) -> int:
        """Return how many to ask for when so many can be handed out.

        Among events that nobody wants it grows: a group with a credit of 1 must not go through them one by one.
        """
        wanted = max(free, min(MAX_COUNT, 2 * self._skipped))
        return max(1, min(wanted, READ_BYTES // self._average_bytes))

    def took(self, entries: Sequence[Entry], wanted: int) -> None:
        """Take note of what was read, and how many of it were wanted."""
        if not entries:
            return
        self._skipped = 0 if wanted else max(self._skipped, len(entries))
        self._average_bytes = sum(len(entry.frame) for entry in entries) // len(entries) + 1
