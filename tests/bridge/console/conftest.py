"""Who looks at the console: somebody who may see everything, and somebody who may only see what they were given."""

from collections.abc import Awaitable, Callable

import pytest
from asgiref.sync import sync_to_async
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.test import AsyncClient
from pytest_django import Settings
from redis.asyncio import Redis

from bridge.roles import make_roles
from ipc.django_app.runtime import Runtime
from ipc.hub.hub import Hub

LogIn = Callable[..., Awaitable[AsyncClient]]
Roles = Callable[[str], Awaitable[AsyncClient]]


@pytest.fixture(autouse=True)
def plain(settings: Settings) -> None:
    """Without TLS, which these tests are not about."""
    settings.SECURE_SSL_REDIRECT = False


@pytest.fixture
def log_in(database_of_views: None) -> LogIn:
    """Return a client of somebody with the flags and permissions that a test says."""

    def made(name: str, permissions: tuple[str, ...], flags: dict[str, bool]) -> User:
        user = User.objects.create(username=name, **{"is_staff": True, **flags})
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        return user

    async def log_in(name: str = "ann", *permissions: str, **flags: bool) -> AsyncClient:
        client = AsyncClient()
        await client.aforce_login(await sync_to_async(made)(name, permissions, flags))
        return client

    return log_in


@pytest.fixture
def hub(runtime: Runtime) -> Hub:
    """The hub that the pages are shown by, on an empty Redis."""
    assert runtime.mesh is not None
    return runtime.mesh.hub


@pytest.fixture
def redis(runtime: Runtime) -> Redis:
    """The Redis of the mesh, in the event loop of the test."""
    assert runtime.mesh is not None
    return runtime.mesh.redis


@pytest.fixture
def roles(log_in: LogIn) -> Roles:
    """Return a client of somebody in one of the groups that a migration makes."""

    def join(name: str) -> None:
        make_roles(apps)
        User.objects.get(username=name).groups.set([Group.objects.get(name=name)])

    async def member(role: str) -> AsyncClient:
        client = await log_in(role)
        await sync_to_async(join)(role)
        return client

    return member
