"""Two bridges that know nothing of each other: a development machine's, and one of production that wants tokens."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.bridge.tokens import NEW_KEY
from tests.node import install, missing
from tests.servers import ServerProcess

SCRIPTS = Path(__file__).parent / "node"
RATE_MAX = 60
"""What a service may send in a minute: more than the page does, and soon used up by who wants to."""


@pytest.fixture(scope="module")
def packages() -> Path:
    """The scripts with their packages; skips where there is no Node.js."""
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    return install(SCRIPTS)


@pytest.fixture(scope="module")
def certs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates of one CA for both bridges."""
    return servers.certificates(tmp_path_factory.mktemp("certs"))


@pytest.fixture(scope="module")
def development(certs_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The bridge of a development machine."""
    folder = tmp_path_factory.mktemp("development")
    with (
        EmbeddedValkey(folder / "valkey") as valkey,
        servers.bridge("uvicorn", valkey.url, certs_dir, folder / "var") as bridge,
    ):
        yield bridge
        assert "Traceback" not in bridge.output(), bridge.output()[-5_000:]


@pytest.fixture(scope="module")
def production(certs_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A bridge that lets nobody in without a token."""
    settings = {
        "EXPRSN_ENV": "production",
        "DEV_BYPASS": "false",
        "IPC_BYPASS_AUTH": "false",
        "SECRET_KEY": "the secret key of these tests 0123456789 0123456789",
        "IPC_BROKER_KEY": NEW_KEY,
        "IPC_TOKEN_TTL": "6",
        "ALLOWED_HOSTS": "localhost",
        "IPC_RATE_LIMIT": "true",
        "IPC_RATE_MAX": str(RATE_MAX),
    }
    folder = tmp_path_factory.mktemp("production")
    with (
        EmbeddedValkey(folder / "valkey") as valkey,
        servers.bridge("uvicorn", valkey.url, certs_dir, folder / "var", **settings) as bridge,
    ):
        yield bridge
        assert "Traceback" not in bridge.output(), bridge.output()[-5_000:]
