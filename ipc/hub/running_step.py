"""A step of time under way at one hub: what was counted in it up to now, under so many names and no more."""

from typing import Final

from ipc.protocol.tally import OTHER, Tally, joined, parts

MAX_NAMES: Final = 64
"""So many names each service has of a kind, such as of events; the others count as `OTHER`."""
MAX_OF_KIND: Final = 640
"""So many names a kind has in all."""


class RunningStep:
    """What one hub has counted since a time, in Unix seconds."""

    def __init__(self, begin_s: int) -> None:
        self.begin_s = begin_s
        self.tally = Tally()
        self._numbers: dict[tuple[str, ...], int] = {}
        self._known: dict[str, str] = {}

    def add(self, delta: Tally) -> None:
        """Add what was counted since the last time."""
        for name, number in delta.counts.items():
            self.tally.count(self._known.get(name) or self._name(name), number)
        for name, times in delta.times.items():
            self.tally.took(self._known.get(name) or self._name(name), times)

    def _name(self, name: str) -> str:
        """Return the name that a name goes by, which is another one if there are too many already."""
        kind, *about = parts(name)
        if not about:
            return name
        above = (kind, *about[:-1])
        in_all, under_it = self._numbers.get((kind,), 0), self._numbers.get(above, 0)
        if in_all >= MAX_OF_KIND:
            return joined(kind, *(OTHER for _ in about))
        if under_it >= MAX_NAMES:
            return joined(*above, OTHER)
        self._numbers[(kind,)] = in_all + 1
        self._numbers[above] = under_it + 1
        self._known[name] = name
        return name
