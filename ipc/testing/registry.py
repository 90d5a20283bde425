"""The twin of `ipc.stores.registry.Registry`, in memory."""

from collections.abc import Callable, Iterable, Mapping

from ipc.stores.registry import MAX_LISTED, TTL_S, Registration


class MemoryRegistry:
    """The registry of one test.

    Args:
        now_ms: the date in Unix milliseconds.

    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._entries: dict[str, tuple[Registration, int]] = {}

    async def put(self, registrations: Iterable[Registration]) -> None:
        """Write or renew registrations for another 60 seconds."""
        for registration in registrations:
            self._entries[registration.instance] = registration, self._now_ms() + TTL_S * 1000

    async def remove(self, sessions: Mapping[str, str]) -> None:
        """Take instances out that have left, given the session of each; one that is back on another session stays."""
        for instance, session in sessions.items():
            if instance in self._entries and self._entries[instance][0].session == session:
                del self._entries[instance]

    async def list(self) -> list[Registration]:
        """Return the live registrations, at most 5000, the longest unseen first."""
        now_ms = self._now_ms()
        self._entries = {name: entry for name, entry in self._entries.items() if entry[1] > now_ms}
        found = sorted((registration for registration, _ in self._entries.values()), key=_unseen)
        return found[:MAX_LISTED]


def _unseen(registration: Registration) -> tuple[int, str]:
    return registration.last_seen_ms, registration.instance
