"""What all tests share: a real Valkey, and a database in it that is empty when a test begins."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from exprsn.embedded import EmbeddedValkey


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
