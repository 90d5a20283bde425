"""How long the conditions and shapes of subscribers may keep the event loop from its other work."""

import asyncio
from typing import Final

LIVE_S: Final = 0.05
"""Seconds of one turn of the loop within which events are filtered as they come, for all sessions together."""
BEHIND_S: Final = 0.005
"""Likewise for those that are read from a log, by sessions that were behind and by groups."""


class LoopTime:
    """Counts what was used in this turn of the event loop."""

    def __init__(self, *, live_s: float = LIVE_S, behind_s: float = BEHIND_S) -> None:
        self.live_limit_s = live_s
        self.behind_limit_s = behind_s
        self._used_s = 0.0
        self._is_counting = False

    @property
    def live_s(self) -> float:
        """How many seconds are left for events as they come."""
        return self.live_limit_s - self._used_s

    def use(self, seconds: float) -> None:
        """Count time; the next turn of the loop begins with none used."""
        self._used_s += seconds
        if not self._is_counting:
            self._is_counting = True
            asyncio.get_running_loop().call_soon(self._begin)

    async def room(self) -> None:
        """Wait until there is time for one more evaluation of what is read from a log; one turn has one at least."""
        while self._used_s and self._used_s >= self.behind_limit_s:  # noqa: ASYNC110 - a turn of the loop is what is waited for
            await asyncio.sleep(0)

    def _begin(self) -> None:
        self._used_s = 0.0
        self._is_counting = False
