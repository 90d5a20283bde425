"""Whether two event patterns may match the same name."""

from collections.abc import Sequence


def overlap(one: str, other: str) -> bool:
    """Tell whether there can be an event name that both patterns match."""
    return _overlap(one.split(":"), other.split(":"))


def _overlap(one: Sequence[str], other: Sequence[str]) -> bool:
    for at in range(min(len(one), len(other))):
        # A star at the end takes whatever the other still has.
        if (one[at] == "*" and at + 1 == len(one)) or (other[at] == "*" and at + 1 == len(other)):
            return True
        if one[at] != other[at] and "*" not in {one[at], other[at]}:
            return False
    return len(one) == len(other)
