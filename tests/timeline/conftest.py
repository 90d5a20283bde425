"""What the tests of Timeline share: its own addresses, and clients of three kinds."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from timeline.models import Post

BYPASS = {"X-IPC-Request": "true"}


@pytest.fixture(autouse=True)
def timeline_addresses(settings: Settings) -> None:
    """Serve Timeline's addresses, plainly: TLS is not what these tests are about."""
    settings.ROOT_URLCONF = "timeline.urls"
    settings.SECURE_SSL_REDIRECT = False
    settings.EXPRSN_SERVICE = "timeline"


@pytest.fixture
def api() -> Client:
    """A client that is the development user."""
    return Client(headers=BYPASS)


@pytest.fixture
def anonymous() -> Client:
    """A client that nobody vouches for."""
    return Client()


@pytest.fixture
def stranger(db: None) -> Client:
    """A client of somebody else, logged in with a session."""
    client = Client()
    client.force_login(User.objects.create_user("stranger"))
    return client


@pytest.fixture
def make_post(db: None) -> Callable[..., Post]:
    """Save posts without going through the API; the development user's unless told."""

    def make(**fields: Any) -> Post:
        return Post.objects.create(**{"user_id": "dev-user", "content": "hello", **fields})

    return make
