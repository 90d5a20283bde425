"""Who talks to whom: the services of the catalogue and what goes between them."""

from functools import partial
from typing import Any, Final, NamedTuple

from django.http import HttpRequest
from django.urls import reverse

from bridge.console.board import Compose, figures_of
from bridge.console.page import ConsolePage
from ipc.hub.hub import Hub
from ipc.protocol.services import SERVICES, short_name
from ipc.protocol.statistics import Window


class MapPage(ConsolePage):
    """A drawing of a span of time, with the same as a list."""

    template = "console/map.html"
    title = "Map"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Return all services; what goes between them comes by the feed."""
        nodes = [
            {
                "service": service,
                "name": short_name(service),
                "link": reverse("admin:console_service", args=[short_name(service)]),
            }
            for service in SERVICES
        ]
        return {"nodes": nodes, "spans": SPANS, "usual": USUAL}


async def map_now(hub: Hub, *, window: Window = 60) -> dict[str, Any]:
    """Return what services did in the last seconds, and what went between them.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    figures = await figures_of(hub, window)
    return {
        "atMs": figures.asked_ms,
        "seconds": figures.seconds,
        "services": figures.services,
        "edges": figures.edges,
    }


class Span(NamedTuple):
    """How far back a map goes: what its button says, and which feed it has."""

    title: str
    about: str
    words: str


SPANS: Final = (
    Span("1 min", "map", "minute"),
    Span("5 min", "map-5m", "five minutes"),
    Span("1 h", "map-1h", "hour"),
)
USUAL: Final = "map-5m"
"""A minute of a quiet mesh is mostly empty."""
MAPS: Final[dict[str, Compose]] = {
    "map": map_now,
    USUAL: partial(map_now, window=300),
    "map-1h": partial(map_now, window=3600),
}
