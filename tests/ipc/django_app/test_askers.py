"""Who makes a plain request: operators among people, and the development machine and nobody that only says so."""

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.test import RequestFactory
from pytest_django import Settings

from ipc.django_app.askers import is_development_machine, is_operator, person_of
from ipc.django_app.identity import ALL_PERMISSIONS, DEV_IDENTITY, Identity
from ipc.protocol.errors import ForbiddenError

pytestmark = pytest.mark.django_db


def request(user: object = None, *, method: str = "get", **headers: str) -> HttpRequest:
    made: HttpRequest = getattr(RequestFactory(), method)("/health", headers=headers)
    made.user = user or AnonymousUser()  # type: ignore[assignment]  # what Django's middleware does
    return made


@pytest.mark.parametrize(
    ("person", "is_one"),
    [
        (Identity("1", roles=frozenset({"staff"})), True),
        (Identity("1", roles=frozenset({"admin", "reader"})), True),
        (Identity("1", permissions=frozenset({"*"})), True),
        (DEV_IDENTITY, True),
        (Identity("1", permissions=ALL_PERMISSIONS, roles=frozenset({"Staff", "moderator"})), False),
        (Identity("1"), False),
    ],
)
def test_operators_are_known_by_their_roles(person: Identity, is_one: bool) -> None:
    assert is_operator(person) is is_one


def test_a_session_is_a_person_and_nobody_is_none() -> None:
    person = person_of(request(User(pk=7, is_staff=True)))
    assert person is not None
    assert (person.user_id, person.roles) == ("7", frozenset({"staff"}))
    assert person_of(request()) is None


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"])
def test_a_session_that_changes_something_needs_its_csrf_token_whatever_its_body(content_type: str) -> None:
    made = RequestFactory().post("/", b"{}", content_type=content_type)
    made.user = User(pk=7, is_staff=True)
    with pytest.raises(ForbiddenError, match="CSRF"):
        person_of(made)
    token = "a" * 32
    made = RequestFactory().post("/", b"{}", content_type=content_type, headers={"X-CSRFToken": token})
    made.COOKIES[settings.CSRF_COOKIE_NAME] = token
    made.user = User(pk=7, is_staff=True)
    assert person_of(made) is not None
    assert made.read() == b"{}", "the body is for the view to read"


def test_the_development_machine_needs_no_header() -> None:
    assert is_development_machine(request())


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via", "X-Forwarded-Host"])
def test_what_came_through_a_proxy_is_from_anywhere(header: str) -> None:
    assert not is_development_machine(request(**{header: "127.0.0.1"}))


@pytest.mark.parametrize("address", ["192.0.2.1", "", "::2", "127.0.0.1.example"])
def test_another_machine_is_another_machine(address: str) -> None:
    made = request()
    made.META["REMOTE_ADDR"] = address
    assert not is_development_machine(made)


@pytest.mark.parametrize(
    ("name", "value"),
    [("EXPRSN_ENV", "production"), ("DEV_BYPASS", False), ("BIND_HOST", "0.0.0.0")],  # noqa: S104 - that is what is refused
)
def test_each_of_the_settings_can_say_no(settings: Settings, name: str, value: object) -> None:
    setattr(settings, name, value)
    assert not is_development_machine(request())
