"""Who talks to whom: the services of the catalogue and what goes between them."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from bridge.console.board import minute_of
from bridge.console.page import ConsolePage
from ipc.hub.hub import Hub
from ipc.protocol.services import SERVICES, short_name


class MapPage(ConsolePage):
    """A drawing of the last minute, with the same as a list."""

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
        return {"nodes": nodes}


async def map_now(hub: Hub) -> dict[str, Any]:
    """Return what services did in the last minute, and what went between them.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    figures = await minute_of(hub)
    return {
        "atMs": figures.asked_ms,
        "seconds": figures.seconds,
        "services": figures.services,
        "edges": figures.edges,
    }
