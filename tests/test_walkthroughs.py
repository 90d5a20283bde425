"""Documents that are followed from their first block to their last, beside one system that `make run` has started."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests import node
from tests.markdown import ROOT
from tests.running import Running
from tests.servers import free_port
from tests.walkthrough import Reader, lay_out

pytestmark = pytest.mark.processes

START = "make run"
PORTS = {"3010": "BRIDGE_PORT", "3004": "TIMELINE_PORT", "3003": "TIMELINE_REDIRECT_PORT"}
NPM_CACHE = Path.home() / ".npm"


class Place:
    """A folder like the project's, in which the system runs."""

    def __init__(self, folder: Path) -> None:
        lay_out(folder)
        self.folder = folder
        self.ports = {shown: str(free_port()) for shown in PORTS}
        # What .env.example says, and nothing that this machine's .env or the tests' own environment would bring along.
        self.environment: Mapping[str, str] = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "EXPRSN_ENV": "development",
            "DEBUG": "true",
            "DEV_BYPASS": "true",
            "IPC_BYPASS_AUTH": "true",
            "VAR_DIR": str(folder / "var"),
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
            "npm_config_cache": str(NPM_CACHE),
            "npm_config_prefer_offline": "true",
            **{PORTS[shown]: port for shown, port in self.ports.items()},
        }
        self.system = Running(["make", "run"], self.environment, folder)

    def reader(self) -> Reader:
        return Reader(self.folder, self.environment, self.ports, {START: self.system})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if node.missing() is None:
        node.install()
    place = Place(tmp_path_factory.mktemp("walkthroughs") / "exprsn")
    yield place
    place.system.stop()


@pytest.mark.parametrize("document", ["tutorial/quick-start.md"])
def test_what_the_document_says_is_so(place: Place, document: str) -> None:
    reader = place.reader()
    reader.read(ROOT / "docs" / document)
    assert reader.left_out == []
