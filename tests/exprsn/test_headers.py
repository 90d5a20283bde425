"""``Permissions-Policy`` is on every answer, whichever kind of stack it comes through."""

import pytest
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.test import Client

from exprsn.headers import POLICY, PermissionsPolicyMiddleware


def answer(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


async def answer_later(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


def test_a_synchronous_stack_has_it() -> None:
    middleware = PermissionsPolicyMiddleware(answer)
    assert not iscoroutinefunction(middleware)
    assert middleware(HttpRequest())["Permissions-Policy"] == POLICY


async def test_an_asynchronous_stack_has_it() -> None:
    middleware = PermissionsPolicyMiddleware(answer_later)
    assert iscoroutinefunction(middleware)
    assert (await middleware(HttpRequest()))["Permissions-Policy"] == POLICY


def test_who_is_led_to_https_gets_all_of_them_too() -> None:
    answer = Client().get("/health")
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://testserver/health")
    assert answer.headers["Permissions-Policy"] == POLICY
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert (answer.headers["X-Frame-Options"], answer.headers["X-Content-Type-Options"]) == ("DENY", "nosniff")


@pytest.mark.parametrize("feature", ["camera", "geolocation", "microphone"])
def test_nobody_may_use_what_watches_people(feature: str) -> None:
    assert f"{feature}=()" in POLICY
