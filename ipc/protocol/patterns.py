"""Event names and the patterns that subscriptions and permissions match them with.

A name has two or more segments divided by ``:``, such as ``post:created``. In a pattern a segment may be ``*``, which
stands for any one segment, and a ``*`` at the end stands for one or more.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError

MAX_NAME_LENGTH: Final = 128
_SEGMENT: Final = r"[A-Za-z0-9_][A-Za-z0-9_.\-]*"
_NAME: Final = re.compile(rf"{_SEGMENT}(?::{_SEGMENT})+")
_PATTERN: Final = re.compile(rf"\*|(?:\*|{_SEGMENT})(?::(?:\*|{_SEGMENT}))+")


@lru_cache(maxsize=4096)
def check_event(name: str) -> str:
    """Return the name if it is a valid event name.

    Raises:
        BadMessageError: INVALID_EVENT, with the rule.

    """
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        raise BadMessageError(
            f"{name[:64]!r} is not an event name: write resource:action with letters, digits, '_', '.' and '-', "
            f"at most {MAX_NAME_LENGTH} characters",
            code=ErrorCode.INVALID_EVENT,
        )
    return name


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a predicate that tells whether an event name matches the pattern.

    Raises:
        BadMessageError: INVALID_PATTERN, with the rule.

    """
    if len(pattern) > MAX_NAME_LENGTH or not _PATTERN.fullmatch(pattern):
        raise BadMessageError(
            f"{pattern[:64]!r} is not an event pattern: write a name such as post:created, or post:*, *:created, or *",
            code=ErrorCode.INVALID_PATTERN,
        )
    if "*" not in pattern:
        return pattern.__eq__
    *head, last = pattern.split(":")
    parts = [r"[^:]+" if part == "*" else re.escape(part) for part in head]
    parts.append(r".+" if last == "*" else re.escape(last))
    regex = re.compile(":".join(parts))
    return lambda name: regex.fullmatch(name) is not None


def matches_any(patterns: Iterable[str], name: str) -> bool:
    """Tell whether at least one of the patterns matches the event name."""
    return any(compile_pattern(pattern)(name) for pattern in patterns)
