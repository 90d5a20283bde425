"""The mesh at a glance: the page on which the admin opens."""

from typing import Any

from django.http import HttpRequest

from bridge.console.page import ConsolePage


class OverviewPage(ConsolePage):
    """Figures and charts, which the page keeps up to date by itself."""

    template = "console/overview.html"
    title = "Overview"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Return nothing yet."""
        return {}
