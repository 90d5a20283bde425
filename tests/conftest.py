"""What all tests share: a real Valkey, and a database in it that is empty when a test begins."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from exprsn.embedded import EmbeddedValkey
from tests.secured_redis import SecuredRedis, find_server
from tests.secured_redis import secured_redis as start_secured_redis


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


@pytest.fixture(scope="session")
def secured_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredRedis]:
    """A Redis with TLS, a password and a user of few rights."""
    program = find_server()
    if program is None:
        pytest.skip("no redis-server is installed, and the Valkey of the wheel has no TLS (Debian: redis-server)")
    with start_secured_redis(program, tmp_path_factory.mktemp("secured-redis")) as server:
        yield server
