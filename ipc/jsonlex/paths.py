"""Dotted paths into JSON values: the members of objects by name, the items of arrays by index."""

import re
from typing import Any, Final

from ipc.jsonlex.limits import DEFAULT_LIMITS

MAX_SEGMENTS: Final = DEFAULT_LIMITS.depth
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}")


class Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()
"""What a path leads to where there is nothing; null is something."""


def follow(value: Any, segments: list[str] | tuple[str, ...]) -> Any:
    """Return what the segments lead to, or `MISSING`.

    An item of an array has a segment of digits without leading zeros. Text, numbers, booleans and null have no parts.
    """
    for segment in segments:
        if type(value) is dict:
            value = value.get(segment, MISSING)
        elif type(value) is list and _INDEX.fullmatch(segment) and int(segment) < len(value):
            value = value[int(segment)]
        else:
            return MISSING
    return value
