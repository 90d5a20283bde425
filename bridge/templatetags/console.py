"""How the pages of the console write numbers."""

from django import template

from bridge.console import times
from ipc.protocol.services import PREFIX

register = template.Library()
MANY = 100
SEVERAL = 10
SECOND_MS = 1_000


@register.filter
def rate(count: int, seconds: int) -> str:
    """Return how many there were by the second."""
    by_second = count / max(1, seconds)
    if by_second >= MANY or not count:
        return f"{by_second:,.0f}"
    return f"{by_second:.1f}" if by_second >= SEVERAL else f"{by_second:.2g}"


@register.filter
def ms(value: float) -> str:
    """Return milliseconds, with as many digits as say something."""
    return f"{value:.0f} ms" if value >= SEVERAL else f"{value:.2g} ms"


@register.filter
def duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    return times.duration(seconds)


@register.filter
def period(period_ms: int) -> str:
    """Return a duration that is given in milliseconds."""
    return times.duration(period_ms / 1000) if period_ms >= SECOND_MS else f"{period_ms} ms"


@register.filter
def short(service: str) -> str:
    """Return the short name of a service."""
    return service.removeprefix(PREFIX)
