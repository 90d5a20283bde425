"""What all tests share: a real Valkey, and a database in it that is empty when a test begins."""

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
from asgiref.sync import sync_to_async
from django.db import connections
from hypothesis import settings
from pytest_django import Settings
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from exprsn.embedded import EmbeddedValkey
from ipc.django_app.conf import conf
from ipc.django_app.runtime import Runtime
from tests.secured_redis import SecuredRedis, find_server
from tests.secured_redis import secured_redis as start_secured_redis

pytest_plugins = ["tests.leaks"]

HERE = Path(__file__).parent
# What takes a minute or more is begun first, and folders of many short tests come last: so no process finishes alone.
FIRST = ("test_walkthroughs.py", "migration", "npm", "test_postgres.py", "browser", "faults")
LAST = ("certs", "contracts", "ipc", "timeline")
# Folders whose files share what takes seconds to start: with each in one process, it is started once.
TOGETHER = ("tests/browser/", "tests/bridge/api/", "tests/bridge/cli/", "tests/bridge/doors/")

# A busy machine is no reason to fail.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

# A shell has what it starts in the background ignore Ctrl-C, and so would every process that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests in the order in which processes take their files."""
    tops = {item: item.path.relative_to(HERE).parts[0] for item in items if item.path.is_relative_to(HERE)}
    items.sort(key=lambda item: FIRST.index(top) if (top := tops.get(item)) in FIRST else len(FIRST) + (top in LAST))


class ByFolder(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives the tests of a file to one process, and where files share much, those of their folder."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in TOGETHER if nodeid.startswith(folder)), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFolder | None:
    """Take it for `--dist loadfile`."""
    return ByFolder(config, log) if config.getvalue("dist") == "loadfile" else None


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
