"""Real bridges, one behind each server, that the tests of this folder share."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.servers import HTTP_KINDS, KINDS, Kind, ServerProcess

MakeBridge = Callable[..., ServerProcess]
# Folders and modules whose tests come by HTTP, or by a socket whose frames are tested elsewhere.
BY_HTTP = {"api", "console", "management", "test_admin.py", "test_check.py", "test_mesh_stats.py", "test_views.py"}


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what comes by HTTP once for each server, not once for each way to read frames."""
    if BY_HTTP.isdisjoint(metafunc.definition.path.parts):
        return
    for fixture in {"bridge", "make_bridge"}.intersection(metafunc.fixturenames):
        # As a mark, which goes before the parameters of the fixture itself.
        metafunc.definition.add_marker(pytest.mark.parametrize(fixture, HTTP_KINDS, indirect=True))


@pytest.fixture(scope="session")
def certs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the bridges serve and their clients trust."""
    return servers.certificates(tmp_path_factory.mktemp("bridge-certs"))


@pytest.fixture(scope="session")
def bridge_valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedValkey]:
    """The Redis of the shared bridges, which no other test empties under them."""
    with EmbeddedValkey(tmp_path_factory.mktemp("bridge-valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def shared_bridge(
    bridge_valkey: EmbeddedValkey, certs_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[Kind], ServerProcess]]:
    """Start a bridge behind a server when it is first asked for, and keep it until all tests are done."""
    started: dict[Kind, ServerProcess] = {}
    with contextlib.ExitStack() as stack:

        def bridge(kind: Kind) -> ServerProcess:
            if kind not in started:
                var_dir = tmp_path_factory.mktemp(kind)
                started[kind] = stack.enter_context(servers.bridge(kind, bridge_valkey.url, certs_dir, var_dir))
            return started[kind]

        yield bridge


@pytest.fixture(scope="session", params=KINDS)
def bridge(request: pytest.FixtureRequest, shared_bridge: Callable[[Kind], ServerProcess]) -> Iterator[ServerProcess]:
    """A bridge behind daphne, then one behind uvicorn; what a test does to it, the next one must not notice."""
    server = shared_bridge(request.param)
    said_before = len(server.output())
    yield server
    # uvicorn logs text that is no UTF-8 with a traceback of its own.
    output = server.output()[said_before:]
    theirs = output.count("Invalid UTF-8 sequence received from client")
    assert output.count("Traceback") == theirs, output[output.find("Traceback") - 500 :][:5_000]


@pytest.fixture(params=KINDS)
def make_bridge(request: pytest.FixtureRequest, certs_dir: Path, tmp_path: Path) -> MakeBridge:
    """Make a bridge of the test's own, behind each server; it is not started yet."""
    kind: Kind = request.param

    def make(redis_url: str, **settings: Any) -> ServerProcess:
        return servers.bridge(kind, redis_url, certs_dir, tmp_path / "bridge", **settings)

    make.kind = kind  # type: ignore[attr-defined]  # for tests that expect different things of them
    return make
