"""What a session wants of one log: patterns, with the answer remembered per event name."""

from collections.abc import Callable, Iterable

from ipc.protocol.patterns import compile_pattern

_MAX_REMEMBERED = 4096


class Interest:
    """Patterns of one session for one log, live or on their way there by a replay."""

    def __init__(self) -> None:
        self._patterns: dict[str, Callable[[str], bool]] = {}
        self._wants: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._patterns)

    @property
    def patterns(self) -> list[str]:
        """The patterns, in the order they were added."""
        return list(self._patterns)

    def add(self, patterns: Iterable[str]) -> None:
        """Want what the patterns match, too."""
        self._patterns.update((pattern, compile_pattern(pattern)) for pattern in patterns)
        self._wants.clear()

    def remove(self, patterns: Iterable[str]) -> None:
        """Take patterns back; those that were never added are passed over."""
        for pattern in patterns:
            self._patterns.pop(pattern, None)
        self._wants.clear()

    def wants(self, event: str) -> bool:
        """Tell whether one of the patterns matches the name of an event."""
        answer = self._wants.get(event)
        if answer is None:
            if len(self._wants) >= _MAX_REMEMBERED:
                self._wants.clear()
            answer = self._wants[event] = any(matches(event) for matches in self._patterns.values())
        return answer
