"""The development bypass and ``request.ipc``, in synchronous and asynchronous stacks."""

import logging
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from ipc.django_app.identity import DEV_IDENTITY
from ipc.django_app.middleware import DevBypassMiddleware, IPCMiddleware, bypassed_requests, identity_of
from ipc.django_app.models import OutboxEvent


def answer(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


async def answer_async(_request: HttpRequest) -> HttpResponse:
    return HttpResponse("ok")


def passed(**extra: Any) -> HttpRequest:
    request = RequestFactory().get("/", **extra)
    DevBypassMiddleware(answer)(request)
    return request


@pytest.mark.parametrize("header", ["HTTP_X_BROKER_TOKEN", "HTTP_X_IPC_REQUEST"])
def test_a_request_that_asks_for_it_is_the_development_user_and_is_counted(header: str) -> None:
    before = bypassed_requests.value
    assert identity_of(passed(**{header: "True"})) == DEV_IDENTITY
    assert bypassed_requests.value == before + 1


@pytest.mark.parametrize("value", ["", "false", "1", "truee"])
def test_only_the_word_true_asks_for_it(value: str) -> None:
    assert identity_of(passed(HTTP_X_IPC_REQUEST=value)) is None


@pytest.mark.parametrize(
    "values",
    [
        {"EXPRSN_ENV": "production"},
        {"DEV_BYPASS": False},
        {"BIND_HOST": "0.0.0.0"},  # noqa: S104 - what is refused
    ],
)
def test_outside_of_development_the_header_means_nothing(settings: Settings, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(settings, name, value)
    before = bypassed_requests.value
    assert identity_of(passed(HTTP_X_IPC_REQUEST="true")) is None
    assert bypassed_requests.value == before


@pytest.mark.parametrize("peer", ["192.0.2.1", "", "::ffff:192.0.2.1"])
def test_another_machine_is_refused_even_if_the_server_listens_wider_than_it_says(peer: str) -> None:
    assert identity_of(passed(HTTP_X_IPC_REQUEST="true", REMOTE_ADDR=peer)) is None


def test_the_bypass_is_logged_at_start_where_it_is_on(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        DevBypassMiddleware(answer)
        assert "development bypass is on" in caplog.text
        caplog.clear()
        settings.DEV_BYPASS = False
        DevBypassMiddleware(answer)
        assert caplog.text == ""


@pytest.mark.parametrize("middleware", [DevBypassMiddleware, IPCMiddleware])
async def test_both_work_in_an_asynchronous_stack(middleware: Any) -> None:
    assert not iscoroutinefunction(middleware(answer))
    stack = middleware(answer_async)
    assert iscoroutinefunction(stack)
    request = RequestFactory().get("/", HTTP_X_IPC_REQUEST="true")
    assert (await stack(request)).content == b"ok"
    assert identity_of(request) is not None or hasattr(request, "ipc")


@pytest.mark.django_db
def test_request_ipc_emits_through_the_outbox_and_knows_who_asks() -> None:
    request: Any = passed(HTTP_X_IPC_REQUEST="true")
    IPCMiddleware(answer)(request)
    assert request.ipc.identity == DEV_IDENTITY
    request.ipc.emit("user:login", {"id": 1}, key="ann", target="auth", meta={"a": 1})
    request.ipc.emit("user:login", None)
    request.ipc.emit("user:login", None)
    first, second, third = OutboxEvent.objects.all()
    assert (first.event, first.data, first.key, first.target, first.meta) == (
        "user:login", {"id": 1}, "ann", "auth", {"a": 1}
    )  # fmt: skip
    assert second.key != third.key
