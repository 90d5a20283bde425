"""How much is tried, and from which seed: little and always the same in a run of the tests, more in `make fuzz`."""

import os
from typing import Final

SEED: Final = int(os.environ.get("FUZZ_SEED") or 20_261_126)
ASKED: Final = int(os.environ.get("FUZZ_FRAMES") or 0)


def frames(usual: int, *, share: float = 1.0) -> int:
    """Return how many frames to try: the usual number, or a share of those that were asked for."""
    return max(usual, int(ASKED * share)) if ASKED else usual
