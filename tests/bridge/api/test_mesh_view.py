"""Who may use what the bridge answers to operators: the development user and Django's staff, nobody else."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, User
from django.test import Client
from pytest_django import Settings

from bridge.roles import ROLES, make_roles

pytestmark = pytest.mark.django_db
ADDRESSES = [
    ("get", "/api/ipc/events/e1"),
    ("get", "/api/ipc/dead-letters"),
    ("get", "/api/ipc/dead-letters/herald/notify/1-0"),
    ("post", "/api/ipc/dead-letters/redrive"),
    ("post", "/api/ipc/dead-letters/discard"),
]


@pytest.fixture(autouse=True)
def plain(settings: Settings) -> None:
    """Without TLS, which these tests are not about."""
    settings.SECURE_SSL_REDIRECT = False


def ask(client: Client, method: str, path: str, **headers: str) -> tuple[int, str]:
    body: dict[str, Any] = {"all": True} if method == "post" else {}
    if path.endswith("discard"):
        body["reason"] = "a test"
    answer: Any = getattr(client, method)(
        path, body, **({"content_type": "application/json"} if body else {}), headers=headers
    )
    return answer.status_code, answer.json()["error"]


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_nobody_is_asked_who_they_are(method: str, path: str) -> None:
    assert ask(Client(), method, path) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_a_user_who_is_no_staff_is_refused(method: str, path: str) -> None:
    client = Client()
    client.force_login(User.objects.create_user("reader"))
    assert ask(client, method, path) == (403, "FORBIDDEN")


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
@pytest.mark.parametrize("role", [*ROLES, "superuser"])
def test_staff_is_let_in_as_far_as_its_role_goes(method: str, path: str, role: str) -> None:
    """And as far as the hub, which does not run in this process."""
    make_roles(apps)
    user, client = User.objects.create_user(role, is_staff=role in ROLES, is_superuser=role not in ROLES), Client()
    user.groups.set(Group.objects.filter(name=role))
    client.force_login(user)
    expected = (403, "FORBIDDEN") if role == "viewer" and method == "post" else (503, "UNAVAILABLE")
    assert ask(client, method, path) == expected


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_staff_without_a_role_is_refused(method: str, path: str) -> None:
    client = Client()
    client.force_login(User.objects.create_user("newcomer", is_staff=True))
    assert ask(client, method, path) == (403, "FORBIDDEN")


@pytest.mark.parametrize(("method", "path"), ADDRESSES)
def test_the_development_user_is_let_in_in_development_only(method: str, path: str, settings: Settings) -> None:
    assert ask(Client(), method, path, **{"X-IPC-Request": "true"}) == (503, "UNAVAILABLE")
    settings.EXPRSN_ENV = "production"
    assert ask(Client(), method, path, **{"X-IPC-Request": "true"}) == (401, "UNAUTHENTICATED")


def test_a_session_without_its_csrf_token_changes_nothing() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_user("operator", is_staff=True))
    assert ask(client, "post", "/api/ipc/dead-letters/redrive") == (403, "FORBIDDEN")
