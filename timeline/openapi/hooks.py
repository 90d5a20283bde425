"""What drf-spectacular calls: the addresses of Timeline, and the rules of posts that its serializers say in code."""

from typing import Any

from ipc.django_app.openapi import Shape, add_components, health_view
from timeline.openapi.shapes import strict

Endpoint = tuple[str, str, str, Any]


def add_addresses(endpoints: list[Endpoint]) -> list[Endpoint]:
    """Return the addresses, each once: they work with and without a slash at the end."""
    return [("/health", "health", "GET", health_view().as_view()), *(each for each in endpoints if each[0][-1] != "/")]


def complete(result: Shape, **options: Any) -> Shape:
    """Add the components, and make those of posts strict."""
    add_components(result, **options)
    strict(result["components"]["schemas"])
    return result
