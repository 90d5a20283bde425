"""What all tests share: a real Valkey, and a database in it that is empty when a test begins."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
from asgiref.sync import sync_to_async
from django.db import connections
from pytest_django import Settings

from exprsn.embedded import EmbeddedValkey
from ipc.django_app.conf import conf
from ipc.django_app.runtime import Runtime

pytest_plugins = ["tests.leaks"]


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """One server for the whole run; a test that stops, kills or pauses one uses `own_valkey`."""
    with EmbeddedValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def own_valkey(tmp_path: Path) -> Iterator[EmbeddedValkey]:
    """A server of the test's own, to be stopped, killed, paused and started again."""
    with EmbeddedValkey(tmp_path / "valkey") as server:
        yield server


@pytest.fixture
def redis_url(valkey: EmbeddedValkey) -> str:
    """The address of an empty database."""
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    return valkey.url


@pytest.fixture
async def runtime(redis_url: str, settings: Settings) -> AsyncIterator[Runtime]:
    """What runs beside the views of a bridge, in the test's own event loop, on an empty database."""
    settings.REDIS_URL = redis_url
    running = Runtime(conf)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def database_of_views(transactional_db: None) -> AsyncIterator[None]:
    """The database for a test in an event loop; the thread that Django's views run in forgets it afterwards."""
    yield
    await sync_to_async(connections.close_all)()
