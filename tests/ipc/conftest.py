"""What the tests of the library share: clients of the real Valkey, and whole hubs on it."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from ipc.stores.connection import connect
from ipc.stores.eventlog import EventLog


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    """A client as the library makes it, on an empty database."""
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def eventlog(redis_client: Redis) -> EventLog:
    return EventLog(redis_client)
