"""Which resources a person may use: paths such as ``posts`` and ``posts/<uuid>``, and the patterns that cover them.

A pattern is a path, and covers the resource of that path with all that is below it; or a path and ``/*``, which covers
only what is below; or ``*``, which covers everything. Segments are compared whole and letter by letter.
"""

import re
from typing import Final

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError

ANY_RESOURCE: Final = "*"
MAX_PATTERN_LENGTH: Final = 256
_SEGMENT: Final = r"[A-Za-z0-9_][A-Za-z0-9_.\-]*"
_PATTERN: Final = re.compile(rf"\*|{_SEGMENT}(?:/{_SEGMENT})*(?:/\*)?")


def check_resource_pattern(pattern: str) -> str:
    """Return the pattern if it is one.

    Raises:
        BadMessageError: INVALID_PATTERN, with the rule.

    """
    if len(pattern) > MAX_PATTERN_LENGTH or not _PATTERN.fullmatch(pattern):
        raise BadMessageError(
            f"{pattern[:64]!r} is no pattern of resources: write a path such as posts or posts/123, a path and /*, "
            f"or *, with letters, digits, '_', '.' and '-', at most {MAX_PATTERN_LENGTH} characters",
            code=ErrorCode.INVALID_PATTERN,
        )
    return pattern


def covers(pattern: str, resource: str) -> bool:
    """Tell whether a pattern that was checked covers a resource, given by its path."""
    if pattern == ANY_RESOURCE:
        return True
    if pattern.endswith("/*"):
        below = pattern.removesuffix("*")
        return resource.startswith(below) and resource != below
    return resource == pattern or resource.startswith(f"{pattern}/")
