"""Documents that are followed from their first block to their last, beside one system that `make run` has started."""

import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

import pytest

import ipc
from exprsn.supervision import leash
from ipc import CallContext, EventContext, IPCWorker
from tests import node
from tests.markdown import ROOT, codes, prose, table, tables
from tests.ports import free_port
from tests.running import Running
from tests.scene import Scene
from tests.troubles import PROVOCATIONS, Provocation
from tests.walkthrough import Reader, lay_out

pytestmark = pytest.mark.processes

START = "make run"
UP = "Ctrl-C stops everything."
PORTS = {"3010": "BRIDGE_PORT", "3004": "TIMELINE_PORT", "3003": "TIMELINE_REDIRECT_PORT", "3008": "", "3108": ""}
SYSTEM = ROOT / "docs" / "explanation" / "system.md"
TROUBLES = [row for rows in tables(SYSTEM) for row in rows if tuple(row) == ("you see", "code", "because", "so")]
OF_NPM = re.compile(r"npm_config_|(?:https?|no)_proxy$|NODE_EXTRA_CA_CERTS$", re.IGNORECASE)


SECTIONS = {
    "tutorial/quick-start.md": """Step 1, Step 2, Step 3, Step 4, Step 5, Common operations, CRUD examples,
        JSONLex examples, Broker token management, Development mode features, Socket.IO integration, Monitoring,
        Debugging tips""",
    "explanation/system.md": """Architecture overview, Broker token system, IPC worker usage, Bridge routing,
        TLS and HTTPS configuration, Usage examples, Security considerations, Troubleshooting guide, API reference""",
    "howto/integration-examples.md": """The timeline service pattern, The notification service pattern,
        The messaging service pattern, The auth service pattern, The worker service pattern, Common patterns,
        Request and response, Event chain, Publish and subscribe, Best practices, Testing examples""",
}


class Place:
    """A folder like the project's, in which the system runs."""

    def __init__(self, folder: Path) -> None:
        lay_out(folder)
        self.folder = folder
        self.ports = {port: str(free_port()) for port in PORTS}
        # What .env.example says, and nothing that this machine's .env or the tests' own environment would bring along.
        self.environment: Mapping[str, str] = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "EXPRSN_ENV": "development",
            "DEBUG": "true",
            "DEV_BYPASS": "true",
            "IPC_BYPASS_AUTH": "true",
            "DATABASE_URL": "",
            "REDIS_URL": "",
            "BRIDGE_URL": "",
            "SECRET_KEY": "",
            "VAR_DIR": str(folder / "var"),
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
            # What `node.install` has fetched is at hand, and what npm was told of registries holds.
            "npm_config_cache": str(Path.home() / ".npm"),
            "npm_config_userconfig": str(Path.home() / ".npmrc"),
            "npm_config_prefer_offline": "true",
            **{name: value for name, value in os.environ.items() if OF_NPM.match(name)},
            **{name: self.ports[shown] for shown, name in PORTS.items() if name},
        }
        # On a leash that make holds, as the tests hold make's: whatever ends them, nothing of the system is left.
        python = folder / ".python-on-a-leash"
        python.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {leash.__file__} "$PPID" .venv/bin/python "$@"\n')
        python.chmod(0o700)
        self.system = Running([*START.split(), f"PYTHON={python}"], self.environment, folder)

    def reader(self) -> Reader:
        return Reader(self.folder, self.environment, self.ports, {START: self.system})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    absent = [name for name in ("make", "curl", "openssl") if shutil.which(name) is None]
    if absent:
        pytest.skip(f"{' and '.join(absent)} not installed, and a reader of these pages needs it")
    if node.missing() is None:
        node.install()
    place = Place(tmp_path_factory.mktemp("walkthroughs") / "exprsn")
    try:
        place.system.until_it_has_said(UP)
        yield place
    finally:
        place.system.stop()


@pytest.mark.parametrize(
    ("document", "left_out"),
    [
        ("tutorial/quick-start.md", []),
        ("explanation/system.md", ["not run: a diagram"]),
        ("howto/integration-examples.md", []),
        ("howto/dead-letters.md", ["not run: the id is another one"] * 2),
        ("howto/declare-events.md", []),
        ("howto/long-operations.md", ["not run: it is as far as it is"] * 2),
    ],
)
def test_what_a_document_says_is_so(place: Place, document: str, left_out: list[str]) -> None:
    reader = place.reader()
    reader.read(ROOT / "docs" / document)
    assert reader.left_out == left_out


def test_whoever_has_a_project_of_their_own_gets_their_service_into_the_mesh(place: Place) -> None:
    home = place.folder.parent / "home"
    elsewhere, checkout = home / "pulse", home / "exprsn"
    # As what runs, but what is built from takes no file from outside of its folder.
    checkout.mkdir(parents=True)
    for entry in place.folder.iterdir():
        (checkout / entry.name).symlink_to(entry)
    for name, copy in (("ipc", shutil.copytree), ("LICENSE", shutil.copyfile)):
        (checkout / name).unlink()
        copy(ROOT / name, checkout / name)
    # What the library needs is taken from where the tests run, so that only the library itself is installed.
    packages = elsewhere / ".venv" / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "borrowed.pth").write_text(sysconfig.get_path("purelib"))
    environment = {
        **place.environment,
        "HOME": str(home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PIP_NO_DEPS": "1",
        "PIP_CACHE_DIR": str(Path.home() / ".cache" / "pip"),
    }
    reader = Reader(elsewhere, environment, place.ports, {START: place.system})
    reader.read(ROOT / "docs" / "howto" / "use-it-from-another-repository.md")
    assert reader.left_out == []
    assert (packages / "ipc" / "py.typed").exists()


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("```sh\necho yes\n```\n```text\nno\n```\n", "page.md:4: shown:\nno\n"),
        ("```sh\necho yes; echo no\n```\n```text\nyes\n```\n", "page.md:4: shown:\nyes\n"),
        ('```sh\necho \'{"a": [1, 2]}\'\n```\n```json\n{"a": [2, 1]}\n```\n', "page.md:4: shown:"),
        ('```sh\necho \'{"a": [1]}\'\n```\n```json\n{"a": []}\n```\n', "page.md:4: shown:"),
        ("```sh\nfalse\n```\n", "page.md:1: false"),
        ("```python\nprint(1)\n```\n", "page.md:1: the prose before the block does not say what to save it as"),
        ("```rust\n1\n```\n", "page.md:1: nobody knows what to do with 'rust'"),
        ('<!-- keeps running as it until "up" -->\n```sh\necho down\n```\n', "page.md:2: it does not say 'up'"),
        (
            '<!-- keeps running as it until "up" -->\n```sh\necho up\n```\n<!-- it says -->\n```text\ndown\n```\n',
            "page.md:6: it does not say 'down",
        ),
    ],
)
def test_a_page_that_is_wrong_is_found_with_its_line(tmp_path: Path, page: str, complaint: str) -> None:
    document = tmp_path / "page.md"
    document.write_text(page)
    with pytest.raises(AssertionError) as failure:
        Reader(tmp_path, {"PATH": os.environ["PATH"]}, {"3010": "3010"}, {}).read(document)
    assert str(failure.value).startswith(complaint)


@pytest.mark.parametrize(
    ("row", "provoke"),
    list(zip(TROUBLES, PROVOCATIONS, strict=True)),
    ids=[codes(row["you see"])[0][:50] for row in TROUBLES],
)
async def test_whoever_has_a_trouble_of_the_guide_is_told_what_it_says(
    place: Place, row: dict[str, str], provoke: Provocation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BRIDGE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    scene = Scene(place.folder, place.environment, int(place.ports["3010"]))
    message = codes(row["you see"])[0].replace("port 3010", f"port {place.ports['3010']}")
    said = await provoke(scene)
    assert re.search(".+".join(map(re.escape, message.split("…"))), said), said
    assert all(code in said for code in codes(row["code"])), said


@pytest.mark.parametrize("document", SECTIONS)
def test_a_page_has_the_sections_that_its_readers_look_for(document: str) -> None:
    headings = re.findall(r"^##+ (.+)$", prose(ROOT / "docs" / document), re.MULTILINE)
    for section in (" ".join(name.split()) for name in SECTIONS[document].split(",")):
        assert any(heading.startswith(section) for heading in headings), f"there is no section {section!r}"


def test_the_reference_of_the_page_has_all_that_the_library_offers() -> None:
    def named(*columns: str) -> list[str]:
        return sorted(name for row in table(SYSTEM, *columns) for name in codes(row[columns[0]]))

    public = {name for name in dir(IPCWorker) if not name.startswith("_")}
    assert named("method", "what it does") == sorted(public | {"service", "version"} - {"service", "version"})
    for context in (EventContext, CallContext):
        members = {name for name in dir(context) if not name.startswith("_")} | {each.name for each in fields(context)}
        assert named(f"`{context.__name__}`", "") == sorted(members - {"of"})
    said = {name for row in table(SYSTEM, "class", "when") for cell in row.values() for name in codes(cell)}
    others = {"CallContext", "EventContext", "IPCWorker", "Operation", "IPCError"}
    assert said == set(ipc.__all__) - others
