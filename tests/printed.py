"""Whether a program has printed what a document shows, though ids, positions and times are others each time."""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

ANYTHING: Final = "..."
"""A line of its own in what is shown: any number of lines."""

_VARIES: Final = {
    "<token>": r"\beyJ[\w-]+(?:\.(?:[\w-]+(?:\.[\w-]+)?|\.\.))?",
    "<uuid>": r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b",
    "<ulid>": r"\b[0-7][0-9A-HJKMNP-TV-Z]{25}\b",
    "<position>": r"\b\d{13}-\d+\b",
    "<time>": r"\b(?:\d{13}\b|(?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|\+00:00)?)",
    "<day>": r"\b\d{4}-\d\d-\d\d\b",
    "<ms>": r"\b\d+(?:\.\d+)? ms\b",
    "<days>": r"\b\d+ days\b",
    "<pid>": r"\bpid \d+",
    "<seconds>": r"\b\d+\.\d+ ?s\b",
}
_PATTERN: Final = re.compile("|".join(f"({pattern})" for pattern in _VARIES.values()))
_NAMES: Final = list(_VARIES)


def same(text: str) -> str:
    """Return a text with a word in place of each thing that varies, and single spaces."""
    named = _PATTERN.sub(lambda found: _NAMES[(found.lastindex or 1) - 1], text)
    return " ".join(named.split())


def lines(text: str) -> list[str]:
    """Return the lines of a text that have something on them, as they can be compared."""
    return [line for line in map(same, text.splitlines()) if line]


def is_printed(shown: str, printed: str) -> bool:
    """Tell whether a program has printed these lines and no others, save where a line stands for any number."""
    wanted = [r"(?:.*\n)*" if line == ANYTHING else re.escape(line) + r"\n" for line in lines(shown)]
    return re.fullmatch("".join(wanted), "".join(f"{line}\n" for line in lines(printed))) is not None


def end_of(shown: str, printed: Sequence[str]) -> int | None:
    """Return where the lines shown end among those printed, in their order with any others between, or None."""
    position = 0
    for line in (line for line in lines(shown) if line != ANYTHING):
        while position < len(printed) and same(printed[position]) != line:
            position += 1
        if position == len(printed):
            return None
        position += 1
    return position


def has_members(shown: Any, answered: Any) -> bool:
    """Tell whether a JSON value has what is shown of it: these members, these items in this order; or no items."""
    if isinstance(shown, dict) and isinstance(answered, dict):
        return all(name in answered and has_members(value, answered[name]) for name, value in shown.items())
    if isinstance(shown, list) and isinstance(answered, list):
        left = iter(answered)
        return all(any(has_members(item, each) for each in left) for item in shown) and bool(shown) >= bool(answered)
    return type(shown) is type(answered) and same(json.dumps(shown)) == same(json.dumps(answered))
