"""The npm package in `clients/node`: its own tests, which Node runs on a real bridge, reported one by one."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings

from exprsn.embedded import EmbeddedValkey
from exprsn.supervision.leash import leashed
from ipc.protocol.codes import ErrorCode
from tests import servers
from tests.bridge.tokens import LOCKED
from tests.markdown import ROOT, tables
from tests.node import missing
from tests.npm.building import PACKAGE, Outcome, built, node_tests, outcomes
from tests.npm.world import World

pytestmark = pytest.mark.processes
RUN_TIMEOUT_S = 240.0
TOKEN_TTL_S = 4
STOPPING = frozenset({"restarting.test.mjs"})
VECTORS = Path(__file__).parents[1] / "vectors"


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, built; skips where there is no Node.js."""
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    return built(tmp_path_factory.mktemp("npm"))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A bridge that wants tokens and gives them for certificates, for a few seconds each."""
    certs_dir = servers.certificates(tmp_path_factory.mktemp("npm-certs"))
    with override_settings(CERTS_DIR=certs_dir):
        call_command("gencerts", service=["herald"], verbosity=0)
        call_command("gencerts", service=["spark"], key_type="ec", verbosity=0)
    var_dir = tmp_path_factory.mktemp("npm-bridge")
    settings = {**LOCKED, "IPC_TOKEN_TTL": str(TOKEN_TTL_S), "IPC_HEARTBEAT": "1000"}
    with (
        EmbeddedValkey(tmp_path_factory.mktemp("npm-valkey")) as valkey,
        servers.bridge("uvicorn", valkey.url, certs_dir, var_dir, **settings) as bridge,
    ):
        made = World(bridge, valkey.url, certs_dir)
        try:
            yield made
        finally:
            made.close()
        assert "Traceback" not in bridge.output(), bridge.output()[-5_000:]


@pytest.fixture(scope="module")
def files(request: pytest.FixtureRequest) -> list[str]:
    """The files of Node's tests that are wanted: with ``-k`` not all of them are."""
    calls = (getattr(item, "callspec", None) for item in request.session.items if item.path == Path(__file__))
    return sorted({call.params["file"] for call in calls if call is not None})


@pytest.fixture(scope="module")
def told(package: Path, world: World, files: list[str]) -> dict[tuple[str, str], Outcome]:
    """What became of each of Node's tests."""
    environment = {
        **os.environ,
        "BRIDGE_URL": world.bridge.url,
        "WORLD_URL": world.url,
        "CERTS_DIR": str(world.certs_dir),
        "VECTORS_DIR": str(VECTORS),
        "ERROR_CODES": json.dumps({code.value: code.retryable for code in ErrorCode}),
    }
    # Those that stop the bridge come when nobody else is at it.
    alone = [file for file in files if file in STOPPING]
    text = run(world, package, environment, [file for file in files if file not in alone], at_once=3)
    text += run(world, package, environment, alone, at_once=1)
    # Shown by pytest beside a failure of the test that has run them all.
    sys.stdout.write(text[-5_000:])
    return outcomes(text.splitlines())


def run(world: World, package: Path, environment: dict[str, str], files: list[str], *, at_once: int) -> str:
    """Run files with Node's tests while the world answers them, and return what Node has said."""
    if not files:
        return ""
    command = ["node", "--test", f"--test-concurrency={at_once}", "--test-reporter=./test/support/reporter.mjs"]
    # A log, so that the search for secrets looks into it.
    said = package / "outcomes.log"
    with said.open("wb") as output:
        process = subprocess.Popen(
            leashed([*command, *(f"test/{file}" for file in files)]),
            cwd=package,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        give_up_at = time.monotonic() + RUN_TIMEOUT_S
        while process.poll() is None and time.monotonic() < give_up_at:
            world.server.handle_request()
        if process.poll() is None:
            process.terminate()
            process.wait()
    return said.read_text(errors="replace")


@pytest.mark.parametrize(("file", "name"), node_tests())
def test_a_test_of_the_package(told: dict[tuple[str, str], Outcome], file: str, name: str) -> None:
    """Each of Node's tests passes, and none is forgotten."""
    assert (file, name) in told, f"{file} did not come to it; what Node said is above"
    outcome = told[file, name]
    assert outcome.passed, f"{file}: {name}\n{outcome.error}"


def test_each_package_that_is_pinned_has_its_reason() -> None:
    manifest = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))
    pinned = {**manifest["dependencies"], **manifest["devDependencies"]}
    assert all(version[0].isdigit() for version in pinned.values())
    rows = list(tables(ROOT / "docs" / "explanation" / "dependencies.md"))[2]
    assert [row["package"] for row in rows] == list(pinned)


def test_what_is_packed_is_what_is_built_and_what_is_read(package: Path) -> None:
    packed = subprocess.run(
        ["npm", "pack", "--json", "--ignore-scripts"], cwd=package, check=True, capture_output=True, timeout=60
    )
    (told,) = json.loads(packed.stdout)
    files = {file["path"] for file in told["files"]}
    assert {"README.md", "LICENSE", "package.json", "dist/esm/index.js", "dist/cjs/index.d.ts"} <= files
    assert {path.split("/")[0] for path in files} == {"README.md", "LICENSE", "package.json", "dist"}


def test_node_ran_no_test_that_is_not_listed(told: dict[tuple[str, str], Outcome], files: list[str]) -> None:
    assert set(told) == {(file, name) for file, name in node_tests() if file in files}
