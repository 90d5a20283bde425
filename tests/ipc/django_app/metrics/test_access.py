"""Who may read the metrics: whoever has the token; without one a development machine itself, and nobody else."""

from typing import Any

import pytest
from django.test import RequestFactory
from pytest_django import Settings

from ipc.django_app.metrics.access import check_scraper
from ipc.protocol.errors import ForbiddenError, UnauthenticatedError

TOKEN = "t0ken-of-a-monitoring-system-of-some-length"


def scrape(authorization: str | None = None, *, peer: str = "127.0.0.1", **headers: str) -> None:
    if authorization is not None:
        headers["Authorization"] = authorization
    check_scraper(RequestFactory().get("/metrics", REMOTE_ADDR=peer, headers=headers))


@pytest.mark.parametrize("environment", ["development", "production"])
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_who_has_the_token_may_from_anywhere(settings: Settings, environment: str, scheme: str) -> None:
    settings.EXPRSN_ENV, settings.IPC_METRICS_TOKEN = environment, TOKEN
    scrape(f"{scheme} {TOKEN}", peer="192.0.2.1")


@pytest.mark.parametrize(
    "authorization",
    [
        None, "", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x",
        f"Bearer {TOKEN.upper()}", "Bearer \u00fc\ud800", f"Bearer {'x' * 10_000}",
    ],
)  # fmt: skip
def test_where_there_is_a_token_nothing_else_will_do(settings: Settings, authorization: str | None) -> None:
    """Also not to come from the machine itself."""
    settings.IPC_METRICS_TOKEN = TOKEN
    with pytest.raises(UnauthenticatedError, match="IPC_METRICS_TOKEN"):
        scrape(authorization)


def test_a_development_machine_may_read_its_own(settings: Settings) -> None:
    settings.IPC_METRICS_TOKEN = ""
    scrape()
    scrape(peer="::1")


@pytest.mark.parametrize(
    "circumstances",
    [{"peer": "192.0.2.1"}, {"peer": ""}, {"X-Forwarded-For": "192.0.2.1"}, {"Forwarded": "for=192.0.2.1"}],
)
def test_others_may_not_also_through_a_proxy(settings: Settings, circumstances: dict[str, Any]) -> None:
    settings.IPC_METRICS_TOKEN = ""
    with pytest.raises(ForbiddenError, match="IPC_METRICS_TOKEN"):
        scrape(**circumstances)


def test_production_without_a_token_tells_nobody(settings: Settings) -> None:
    settings.EXPRSN_ENV, settings.IPC_METRICS_TOKEN = "production", ""
    for authorization in (None, "Bearer ", f"Bearer {TOKEN}"):
        with pytest.raises(ForbiddenError):
            scrape(authorization)
