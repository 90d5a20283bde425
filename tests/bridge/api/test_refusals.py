"""What is refused over HTTP is counted as what is refused on sockets: by service and code."""

import pytest
from django.http import HttpRequest
from django.test import AsyncClient
from pytest_django import Settings

from bridge.api.authentication import Asker
from bridge.api.rate_limits import charge
from bridge.api.refusals import count_refusal
from ipc.django_app.runtime import Runtime
from ipc.hub.hub import Hub
from ipc.hub.session import Identity
from ipc.protocol.errors import ForbiddenError, RateLimitError

SPARK = Identity(service="exprsn-spark", permissions=frozenset())


@pytest.fixture
def hub(runtime: Runtime, settings: Settings) -> Hub:
    settings.SECURE_SSL_REDIRECT = False
    assert runtime.mesh is not None
    return runtime.mesh.hub


def refused(hub: Hub) -> dict[str, dict[str, int]]:
    return {service: dict(row) for service, row in hub.counters.named.refused.items()}


@pytest.mark.parametrize(("method", "path"), [("GET", "tokens"), ("POST", "emit"), ("GET", "groups")])
async def test_a_stranger_is_counted_whatever_kind_of_view_it_is(hub: Hub, method: str, path: str) -> None:
    answer = await AsyncClient().generic(method, f"/api/ipc/{path}")
    assert answer.status_code == 401
    assert refused(hub) == {"nobody": {"UNAUTHENTICATED": 1}}
    assert hub.counters.messages_refused == 1


async def test_a_service_that_may_not_is_counted_by_its_name(hub: Hub) -> None:
    asker = Asker(name="exprsn-spark:1", permissions=frozenset(), token=SPARK)
    await count_refusal(asker, ForbiddenError("this is for operators"))
    assert refused(hub) == {"exprsn-spark": {"FORBIDDEN": 1}}


async def test_too_many_messages_are_counted_each(hub: Hub) -> None:
    most = hub.limits.rate_max
    with pytest.raises(RateLimitError, match="divide it"):
        await charge(HttpRequest(), hub, SPARK, most + 1)
    assert refused(hub) == {"exprsn-spark": {"RATE_LIMIT_EXCEEDED": most + 1}}


async def test_without_a_hub_nothing_is_counted_and_nothing_fails() -> None:
    await count_refusal(None, ForbiddenError("no"))
