"""The clock of this machine, for tests in which what was first has to be older."""

import time


def pass_a_millisecond() -> None:
    """Return when the clock shows another millisecond than now: of two in the same one neither is the older."""
    began_ms = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == began_ms:
        pass
