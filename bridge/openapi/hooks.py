"""What drf-spectacular calls: the addresses of the bridge, and the components that they refer to."""

from typing import Any

from rest_framework.schemas.generators import EndpointEnumerator

from bridge.openapi import shapes
from bridge.openapi.operations import OPERATIONS, described_operations
from bridge.openapi.told import components
from bridge.urls import urlpatterns
from ipc.django_app.openapi import ANYBODY, Shape, add_components, described, health_view

Endpoint = tuple[str, str, str, Any]


def add_addresses(endpoints: list[Endpoint]) -> list[Endpoint]:  # noqa: ARG001 - DRF finds some of them only
    """Return the addresses of the bridge as they are described, instead of as DRF finds them."""
    found: list[Endpoint] = []
    for url in urlpatterns:
        route, regex = str(url.name), str(url.pattern)
        is_health = route == "health"
        view = health_view() if is_health else described(proofs=ANYBODY, **described_operations(route))
        verbs = ["get"] if is_health else list(OPERATIONS[route])
        path = EndpointEnumerator(patterns=[]).get_path_from_regex(regex)
        found += [(path, regex, verb.upper(), view.as_view()) for verb in verbs]
    return found


def complete(result: Shape, **options: Any) -> Shape:
    """Add the components."""
    add_components(result, **options)
    result["components"]["schemas"] |= {
        "OwnEvent": shapes.OWN_EVENT,
        "CloudEvent": shapes.CLOUD_EVENT,
        "Service": shapes.SERVICES_BY_NAME,
        "Target": shapes.TARGETS_BY_NAME,
        **components(),
    }
    return result
