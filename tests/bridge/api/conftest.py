"""A bridge that the tests of the HTTP API share, and that wants a proof from everybody."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.bridge.tokens import LOCKED
from tests.servers import ServerProcess


@pytest.fixture(scope="session")
def locked(
    bridge_valkey: EmbeddedValkey, certs_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A bridge in development, with every bypass off; what a test does to it, the next one must not notice."""
    var_dir = tmp_path_factory.mktemp("access-locked")
    settings = {**LOCKED, "DEV_BYPASS": "false"}
    with servers.bridge("uvicorn", bridge_valkey.url, certs_dir, var_dir, **settings) as server:
        yield server
        assert "Traceback" not in server.output()
