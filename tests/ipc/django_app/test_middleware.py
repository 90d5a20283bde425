"""The development bypass and ``request.ipc``, in synchronous and asynchronous stacks."""

import logging
import time
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction
from django.conf import settings as project_settings
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from ipc.django_app.bypass import bypass_uses
from ipc.django_app.identity import DEV_IDENTITY
from ipc.django_app.middleware import DevBypassMiddleware, IPCMiddleware, ca_token_of, identity_of
from ipc.django_app.models import OutboxEvent
from ipc.protocol.ca_tokens import check_claims


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
    before = bypass_uses.count["http"]
    assert identity_of(passed(**{header: "True"})) == DEV_IDENTITY
    assert bypass_uses.count["http"] == before + 1


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
    before = bypass_uses.count["http"]
    assert identity_of(passed(HTTP_X_IPC_REQUEST="true")) is None
    assert bypass_uses.count["http"] == before


@pytest.mark.parametrize("peer", ["192.0.2.1", "", "::ffff:192.0.2.1"])
def test_another_machine_is_refused_even_if_the_server_listens_wider_than_it_says(peer: str) -> None:
    assert identity_of(passed(HTTP_X_IPC_REQUEST="true", REMOTE_ADDR=peer)) is None


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"])
def test_what_came_through_a_proxy_is_refused_whoever_it_says_it_is(header: str) -> None:
    """The proxy is on this machine, and so has its address; who is behind it may be anywhere."""
    assert identity_of(passed(HTTP_X_IPC_REQUEST="true", headers={header: "127.0.0.1"})) is None
    assert identity_of(passed(HTTP_X_IPC_REQUEST="true", headers={header: ""})) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"X-IPC-Request": "true,true"},
        {"X-IPC-Request": "true", "X-Broker-Token": "false"},
        {"X-IPC-Request": "true", "X-Broker-Token": "eyJhbGciOiJIUzI1NiJ9.e30.x"},
        {"X-IPC-Request": "\uff54\uff52\uff55\uff45"},
        {"X-IPC-Request": "true\x00"},
    ],
)
def test_headers_that_are_there_twice_or_disagree_ask_for_nothing(
    headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Twice is how a header comes that a client and somebody on the way have both set. No value is logged."""
    assert identity_of(passed(headers=headers)) is None
    assert "say true, once" in caplog.text
    assert "eyJ" not in caplog.text


def test_both_headers_may_be_there() -> None:
    assert identity_of(passed(headers={"X-IPC-Request": "true", "X-Broker-Token": "true"})) == DEV_IDENTITY


def test_it_is_decided_for_each_request() -> None:
    stack = DevBypassMiddleware(answer)
    with_it, without = RequestFactory().get("/", HTTP_X_IPC_REQUEST="true"), RequestFactory().get("/")
    stack(with_it)
    stack(without)
    assert identity_of(with_it) == DEV_IDENTITY
    assert identity_of(without) is None


def test_the_request_has_a_ca_token_that_is_marked_as_made_up() -> None:
    token = ca_token_of(passed(HTTP_X_IPC_REQUEST="true"))
    assert token is not None
    assert token.is_mock
    assert token.identity == DEV_IDENTITY
    assert (token.claims.sub, token.claims.resource, token.claims.roles) == ("dev-user", "*", ("developer",))
    check_claims(token.claims, now_s=time.time())
    assert ca_token_of(passed()) is None


def test_it_comes_before_all_that_asks_who_somebody_is() -> None:
    places = [name.rpartition(".")[2] for name in project_settings.MIDDLEWARE]
    assert places.index("DevBypassMiddleware") < places.index("SessionMiddleware")
    assert places.index("SessionMiddleware") < places.index("AuthenticationMiddleware")


def test_a_development_machine_says_at_start_in_one_line_whether_it_is_on(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        DevBypassMiddleware(answer)
        assert [record.levelno for record in caplog.records] == [logging.WARNING]
        assert "development bypass is on" in caplog.text
        assert "sockets are let in without a token" in caplog.text
        caplog.clear()
        settings.DEV_BYPASS = False
        DevBypassMiddleware(answer)
        assert "development bypass is off" in caplog.text
        assert len(caplog.records) == 1
        caplog.clear()
        settings.EXPRSN_ENV = "production"
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
