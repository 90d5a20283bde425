"""Sockets of the real socket.io-client, and a bridge that lets nobody in without a token."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.bridge.tokens import LOCKED
from tests.node import NodeSockets, install, missing
from tests.servers import ServerProcess


@pytest.fixture(scope="session")
def scripts() -> Path:
    """The scripts with their packages; skips where there is no Node.js."""
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    return install()


@pytest.fixture
async def node(scripts: Path, certs_dir: Path) -> AsyncIterator[NodeSockets]:
    """One process of Node."""
    async with NodeSockets(scripts, certs_dir / "ca-cert.pem") as sockets:
        yield sockets


@pytest.fixture(scope="module")
def locked(
    bridge_valkey: EmbeddedValkey, certs_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    """A bridge behind uvicorn that wants tokens, counts messages, and soon asks whether a client is there."""
    settings = {**LOCKED, "IPC_RATE_LIMIT": "true", "IPC_RATE_MAX": "40"}
    with servers.bridge("uvicorn", bridge_valkey.url, certs_dir, tmp_path_factory.mktemp("locked"), **settings) as made:
        yield made
        assert "Traceback" not in made.output(), made.output()[-5_000:]
