"""The OpenAPI schema as it is served: whole, the same as the one that is checked, and for who is known."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from bridge.openapi.operations import OPERATIONS
from bridge.urls import urlpatterns as bridge_urls
from tests.openapi import described
from timeline.urls import urlpatterns as timeline_urls

pytestmark = pytest.mark.django_db
PAGES = ["/api/schema", "/api/docs"]


@pytest.fixture(autouse=True)
def plain(settings: Settings) -> None:
    """Without TLS, which these tests are not about."""
    settings.SECURE_SSL_REDIRECT = False


@pytest.mark.parametrize("path", PAGES)
def test_in_development_everybody_may_read_it(path: str) -> None:
    assert Client().get(path).status_code == 200


@pytest.mark.parametrize("path", PAGES)
def test_elsewhere_it_is_for_who_is_known(path: str, settings: Settings) -> None:
    settings.EXPRSN_ENV = "production"
    answer = Client().get(path)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="exprsn"')
    assert Client(headers={"X-IPC-Request": "true"}).get(path).status_code == 401
    client = Client()
    client.force_login(User.objects.create_user("reader"))
    assert client.get(path).status_code == 200


def test_a_broken_token_does_not_read_it_either(settings: Settings) -> None:
    """Without a hub in this process the bridge cannot tell what a broker token is worth, so it shows nothing."""
    settings.EXPRSN_ENV = "production"
    assert Client(headers={"Authorization": "Bearer a.b.c"}).get("/api/schema").status_code == 503
    assert Client().get("/api/schema?access_token=a.b.c").status_code == 401


def test_what_is_served_is_what_is_checked() -> None:
    assert Client().get("/api/schema").json() == described("bridge")


def test_the_pages_load_nothing_from_elsewhere() -> None:
    page = Client().get("/api/docs").content.decode()
    sources = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert sources
    *libraries, script = sources
    assert all(source.startswith("/static/drf_spectacular_sidecar/") for source in libraries)
    assert script == "/api/docs?script="
    assert "<script>" not in page
    assert "<style" not in page
    assert Client().get(script).headers["Content-Type"].startswith("application/javascript")


@pytest.mark.parametrize(("service", "urls"), [("bridge", bridge_urls), ("timeline", timeline_urls)])
def test_every_address_is_described(service: str, urls: list[object]) -> None:
    routes = {"/" + re.sub(r"<\w+:(\w+)>", r"{\1}", str(url.pattern)).rstrip("/") for url in urls}  # type: ignore[attr-defined]  # Django has no name for both kinds
    assert set(described(service)["paths"]) == routes


def test_every_answer_of_the_bridge_to_a_stranger_is_described() -> None:
    for path, methods in described("bridge")["paths"].items():
        for verb, operation in methods.items():
            is_open = path == "/health" or (path, verb) == ("/api/ipc/tokens", "post")
            assert "401" in operation["responses"]
            assert bool(operation.get("security")) is not is_open
    assert OPERATIONS.keys() == {str(url.name) for url in bridge_urls} - {"health"}
