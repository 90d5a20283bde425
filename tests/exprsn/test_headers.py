"""``Permissions-Policy`` is on every answer, whichever kind of stack it comes through."""

import pytest
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse

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


@pytest.mark.parametrize("feature", ["camera", "geolocation", "microphone"])
def test_nobody_may_use_what_watches_people(feature: str) -> None:
    assert f"{feature}=()" in POLICY
