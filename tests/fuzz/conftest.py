"""A bridge to try things on, which has to be well when everything was tried."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.fuzz.budget import ASKED
from tests.servers import Kind, ServerProcess

# With a number of frames to try, on both servers.
KINDS: tuple[Kind, ...] = ("daphne", "uvicorn") if ASKED else ("uvicorn",)
# What servers log with a traceback of their own, of what a client has sent: text that is no UTF-8.
THEIRS = "Invalid UTF-8 sequence received from client"
SERIOUS = re.compile(r"\S+ +(?:ERROR|CRITICAL) ")
# One session forgets a group of which another is a member.
FORGOTTEN = "it begins again with all that its logs have"


@pytest.fixture(scope="module", params=KINDS)
def bridge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A bridge with a Redis of its own; nothing that is sent to it is worth a traceback, or makes it unwell."""
    root: Path = tmp_path_factory.mktemp(f"fuzz-{request.param}")
    certs = servers.certificates(root / "certs")
    with (
        EmbeddedValkey(root / "valkey") as valkey,
        servers.bridge(request.param, valkey.url, certs, root / "var") as made,
    ):
        yield made
        made.becomes(200)
        output = made.output()
        assert "met a bug" not in output
        assert output.count("Traceback") == output.count(THEIRS), output[output.find("Traceback") - 500 :][:5_000]
        serious = [line for line in output.splitlines() if SERIOUS.match(line)]
        assert [line for line in serious if THEIRS not in line and FORGOTTEN not in line] == []
