"""Accounts: somebody who gives accounts to others makes nobody a superuser, and touches none."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.test import Client
from pytest_django import Settings

from bridge.roles import make_roles


@pytest.fixture(autouse=True)
def plain(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = False


@pytest.fixture
def root(db: None) -> User:
    return User.objects.create_superuser("root", password="r00t-of-these-tests")


def client_of(role: str) -> tuple[Client, User]:
    make_roles(apps)
    user = User.objects.create_user(role, password="4ll-of-these-tests", is_staff=True)
    user.groups.set([Group.objects.get(name=role)])
    client = Client()
    client.force_login(user)
    return client, user


def form(user: User, **changes: Any) -> dict[str, Any]:
    joined = user.date_joined
    return {
        "username": user.username,
        "is_active": "on",
        "is_staff": "on",
        "date_joined_0": joined.date(),
        "date_joined_1": joined.time(),
        **changes,
    }


def test_an_admin_gives_roles_and_no_more(root: User) -> None:
    client, admin = client_of("admin")
    vera = User.objects.create_user("vera")
    viewer = Group.objects.get(name="viewer")
    everything = Permission.objects.get(codename="delete_user")
    for user in (vera, admin):
        changes = {"is_superuser": "on", "user_permissions": [everything.pk], "groups": [viewer.pk]}
        answer = client.post(f"/admin/auth/user/{user.pk}/change/", form(user, **changes))
        assert answer.status_code == 302, answer.content
        user.refresh_from_db()
        assert (user.is_superuser, user.user_permissions.count()) == (False, 0)
        assert [group.name for group in user.groups.all()] == ["viewer"]


def test_an_admin_does_not_touch_superusers(root: User) -> None:
    client, _ = client_of("admin")
    before = root.password
    for path, sent in (
        ("change/", form(root)),
        ("password/", {"password1": "0wned-by-ada-1", "password2": "0wned-by-ada-1"}),
    ):
        assert client.post(f"/admin/auth/user/{root.pk}/{path}", sent).status_code == 403
    root.refresh_from_db()
    assert (root.password, root.is_superuser) == (before, True)


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_others_see_no_accounts(root: User, role: str) -> None:
    client, _ = client_of(role)
    for path in ("", "add/", f"{root.pk}/change/", f"{root.pk}/password/"):
        assert client.get(f"/admin/auth/user/{path}").status_code == 403


def test_a_superuser_may_make_another(root: User) -> None:
    client, vera = Client(), User.objects.create_user("vera")
    client.force_login(root)
    assert client.post(f"/admin/auth/user/{vera.pk}/change/", form(vera, is_superuser="on")).status_code == 302
    vera.refresh_from_db()
    assert vera.is_superuser
