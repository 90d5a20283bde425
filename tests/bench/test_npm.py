"""The peers in Node are skipped with a reason where they cannot run."""

import json
import shutil
from pathlib import Path

import pytest

from bench.npm import PEERS, STAMP, install_peers, node_version, peers_dir
from bench.servers import ServerError


async def test_a_missing_node_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Node.js nothing is installed and the reason is said."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match="node is not installed"):
        await install_peers(tmp_path / "peers")
    assert await node_version() is None


async def test_packages_are_installed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """npm runs where package.json is new, and not where it is the one that was installed."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("node", "npm"):
        program = programs / name
        program.write_text("#!/bin/sh\necho run >> npm.runs\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    folder = tmp_path / "peers"
    await install_peers(folder)
    await install_peers(folder)
    assert (folder / "npm.runs").read_text() == "run\n"
    (folder / STAMP).write_text("{}")
    await install_peers(folder)
    assert (folder / "npm.runs").read_text() == "run\n" * 2
    scripts = {script.name: script.read_bytes() for script in PEERS.glob("*.mjs")}
    assert {script.name: script.read_bytes() for script in folder.glob("*.mjs")} == scripts != {}


async def test_a_failed_installation_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """npm's own words are in a file, the reason names it."""
    for name, code in (("node", 0), ("npm", 1)):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\nexit {code}\n")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ServerError, match=r"npm install failed, see .*npm\.log"):
        await install_peers(tmp_path / "peers")
    assert not (tmp_path / "peers" / STAMP).exists()


def test_packages_are_kept_outside_the_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cache folder is the user's."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert peers_dir() == tmp_path / "exprsn-bench"


def test_versions_are_pinned() -> None:
    """A comparison names exact versions."""
    wanted = json.loads((PEERS / "package.json").read_text())["dependencies"]
    assert all(version.replace(".", "").isdigit() for version in wanted.values())


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
async def test_the_version_of_node_is_told() -> None:
    """Results say with what they were made."""
    found = await node_version()
    assert found is not None
    assert found.split(".")[0].isdigit()
