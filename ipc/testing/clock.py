"""A clock that stands still until it is told to go on."""

import asyncio
import time
from dataclasses import dataclass


@dataclass(slots=True, eq=False)
class _Alarm:
    at: float
    timeout: asyncio.Timeout


class ManualClock:
    """The time of a test: it begins at zero, and at the machine's date."""

    def __init__(self) -> None:
        self._now = 0.0
        self._began_ms = time.time_ns() // 1_000_000
        self._alarms: set[_Alarm] = set()

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return self._now

    def now_ms(self) -> int:
        """Return the date in Unix milliseconds."""
        return self._began_ms + int(self._now * 1000)

    @property
    def next_alarm(self) -> float | None:
        """The earliest time that somebody waits for."""
        return min((alarm.at for alarm in self._alarms), default=None)

    def move_to(self, when: float) -> None:
        """Go on to a time, and wake those who have waited for it."""
        self._now = max(self._now, when)
        for alarm in [alarm for alarm in self._alarms if alarm.at <= self._now]:
            self._alarms.discard(alarm)
            alarm.timeout.reschedule(asyncio.get_running_loop().time())

    async def wait(self, event: asyncio.Event, until: float | None) -> None:
        """Wait until the event is set, or the time has come, if one is given."""
        if until is not None and until <= self._now:
            # Others have to run: one of them makes the caller's condition true.
            await asyncio.sleep(0)
            return
        try:
            async with asyncio.timeout(None) as timeout:
                alarm = _Alarm(until, timeout) if until is not None else None
                if alarm is not None:
                    self._alarms.add(alarm)
                try:
                    await event.wait()
                finally:
                    if alarm is not None:
                        self._alarms.discard(alarm)
        except TimeoutError:
            return
