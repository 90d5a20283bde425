"""Methods need permissions, views have resources, and whoever lacks one of both is told which."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from ipc.django_app.identity import DEV_IDENTITY, Identity
from ipc.django_app.permissions import HasCAPermission

ALLOWED = {
    "read": {"GET", "HEAD", "OPTIONS", "TRACE"},
    "write": {"POST", "PUT", "PATCH"},
    "append": {"POST"},
    "update": {"PUT", "PATCH"},
    "delete": {"DELETE"},
}
METHODS = {method for methods in ALLOWED.values() for method in methods} | {"PROPFIND", "get", ""}


class View:
    ca_resource = "posts/{post_id}"

    def __init__(self, **kwargs: Any) -> None:
        self.kwargs = kwargs or {"post_id": 7}


def asked(user: Any, method: str = "GET") -> Request:
    request = Request(APIRequestFactory().generic(method or "GET", "/"))
    request._request.method = method
    request.user = user
    return request


def may(user: Any, method: str = "GET", view: Any = None) -> bool:
    return HasCAPermission().has_permission(asked(user, method), view or View())


@pytest.mark.parametrize("permission", ALLOWED)
def test_a_permission_is_for_its_methods_and_no_others(permission: str) -> None:
    identity = Identity(user_id="ann", permissions=frozenset({permission}))
    assert {method for method in METHODS if may(identity, method)} == ALLOWED[permission]


def test_without_a_permission_or_an_identity_nothing_is_allowed() -> None:
    for user in (Identity(user_id="ann"), AnonymousUser(), User(username="ann", is_superuser=True)):
        assert not any(may(user, method) for method in METHODS)


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [("*", True), ("posts", True), ("posts/*", True), ("posts/7", True), ("posts/77", False), ("users", False)],
)
def test_the_token_has_to_cover_the_resource_of_the_view(pattern: str, allowed: bool) -> None:
    assert may(Identity(user_id="ann", permissions=frozenset({"read"}), resource=pattern)) is allowed


@pytest.mark.parametrize("value", ["7/../8", "7/8", "*", "..", "7%2F8", "\u0667"])
def test_a_value_in_an_address_is_one_segment_whatever_it_is(value: str) -> None:
    identity = Identity(user_id="ann", permissions=frozenset({"read"}), resource="posts/7")
    assert not may(identity, view=View(post_id=value))


def test_what_is_missing_is_said() -> None:
    permission = HasCAPermission()
    assert not permission.has_permission(asked(Identity(user_id="a", permissions=frozenset({"read"})), "POST"), View())
    assert permission.message == "POST needs the permission append or write"
    narrow = Identity(user_id="a", permissions=frozenset({"read"}), resource="posts/8")
    assert not permission.has_permission(asked(narrow), View())
    assert permission.message == "your token is for posts/8, which does not cover posts/7"


def test_the_development_user_may_do_everything() -> None:
    assert all(may(DEV_IDENTITY, method) for methods in ALLOWED.values() for method in methods)


def test_a_view_that_does_not_say_what_it_is_about_lets_nobody_in() -> None:
    with pytest.raises(ImproperlyConfigured, match="object has no ca_resource"):
        may(DEV_IDENTITY, view=object())
