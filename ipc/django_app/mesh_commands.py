"""What the commands share that look into the mesh: where it is, and failing in one sentence."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from django.core.management.base import CommandError
from redis.asyncio import Redis

from ipc.django_app.conf import conf
from ipc.protocol.errors import IPCError
from ipc.stores.connection import connect

T = TypeVar("T")


def check_mesh(otherwise: str = "there is nothing to look into") -> None:
    """Refuse to go on where ``REDIS_URL`` is not set.

    Args:
        otherwise: what that means for the command.

    Raises:
        CommandError: it is not set.

    """
    if not conf.redis_url:
        raise CommandError(f"REDIS_URL is not set, so {otherwise}. Beside `make run` it is in var/secrets/redis_url.")


def in_mesh(work: Coroutine[Any, Any, T]) -> T:
    """Do something in the mesh, and return what it gives.

    Raises:
        CommandError: what an `IPCError` says.

    """
    try:
        return asyncio.run(work)
    except IPCError as error:
        raise CommandError(error.message) from error


@asynccontextmanager
async def mesh_redis() -> AsyncIterator[Redis]:
    """Have a client of the mesh's Redis for the length of a block."""
    redis = connect(conf.redis_url)
    try:
        yield redis
    finally:
        await redis.aclose()
