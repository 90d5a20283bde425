"""Times as people read them, and numbers as browsers do."""

from typing import Any, Final

from django import template

register = template.Library()

_UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


@register.filter
def duration(ms: int) -> str:
    """Return milliseconds in the largest unit of which there are two, or of which there is one whole."""
    for size, unit in _UNITS:
        if ms >= 2 * size or (ms >= size and ms % size == 0):
            return f"{ms // size} {unit}"
    return f"{ms} ms"


@register.filter
def unlocalized(value: Any) -> str:
    """Return a number as attributes and scripts have it, whatever the language of the page."""
    return str(value)
