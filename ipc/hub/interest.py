"""What a session wants of one log: patterns with their terms, and the answer remembered per event name."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from ipc.hub.sight import Sight
from ipc.hub.terms import PLAIN, Terms
from ipc.protocol.patterns import compile_pattern

_MAX_REMEMBERED = 4096


class _Wanted(NamedTuple):
    matches: Callable[[str], bool]
    terms: Terms


class Interest:
    """Patterns of one session for one log, live or on their way there by a replay."""

    def __init__(self) -> None:
        self._patterns: dict[str, _Wanted] = {}
        self._choices: dict[str, tuple[Terms, ...]] = {}
        self.is_plain = True
        """Whether every event that a pattern matches is wanted as it is."""
        self.behind: str | None = None
        """Up to which position events were delivered, while it is read from the log because filtering takes long."""

    def __bool__(self) -> bool:
        return bool(self._patterns)

    @property
    def patterns(self) -> list[str]:
        """The patterns, in the order they were added."""
        return list(self._patterns)

    @property
    def terms(self) -> dict[str, Terms]:
        """The patterns with their terms, in the order they were added."""
        return {pattern: wanted.terms for pattern, wanted in self._patterns.items()}

    def add(self, patterns: Iterable[str] | Mapping[str, Terms], terms: Terms = PLAIN) -> None:
        """Want what the patterns match, too; one that is there already gets the new terms, and keeps its place."""
        for pattern in patterns:
            own = patterns[pattern] if isinstance(patterns, Mapping) else terms
            self._patterns[pattern] = _Wanted(compile_pattern(pattern), own)
        self._changed()

    def remove(self, patterns: Iterable[str]) -> None:
        """Take patterns back; those that were never added are passed over."""
        for pattern in patterns:
            self._patterns.pop(pattern, None)
        self._changed()

    def wants(self, event: str) -> bool:
        """Tell whether one of the patterns matches the name of an event."""
        return bool(self.choices(event))

    def choices(self, event: str) -> tuple[Terms, ...]:
        """Return the terms to try on an event of a name, in order; the last of them may want all."""
        answer = self._choices.get(event)
        if answer is None:
            if len(self._choices) >= _MAX_REMEMBERED:
                self._choices.clear()
            answer = self._choices[event] = self._choose(event)
        return answer

    def frame_of(self, event: str, sight: Sight) -> str | None:
        """Return the frame of an event as the first subscription that wants it has it, None if none does."""
        for terms in self.choices(event):
            if sight.is_wanted(terms):
                return sight.shaped(terms)
        return None

    def _choose(self, event: str) -> tuple[Terms, ...]:
        found: dict[Terms, None] = {}
        for wanted in self._patterns.values():
            if wanted.matches(event):
                found[wanted.terms] = None
                if wanted.terms.where is None:
                    break
        return tuple(found)

    def _changed(self) -> None:
        self._choices.clear()
        self.is_plain = all(wanted.terms.is_plain for wanted in self._patterns.values())
