"""The package of `clients/node`, built outside the project, and its own tests, run by Node's runner."""

import fcntl
import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.markdown import ROOT

PACKAGE = ROOT / "clients" / "node"
INSTALL_TIMEOUT_S = 180.0
BUILD_TIMEOUT_S = 120.0
_TEST = re.compile(r'^test\("([^"]+)"', re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What became of one of Node's tests."""

    passed: bool
    error: str


def node_tests() -> list[tuple[str, str]]:
    """Return the tests of the package, each by its file and its name."""
    files = sorted((PACKAGE / "test").glob("*.test.*js"))
    return [(file.name, name) for file in files for name in _TEST.findall(file.read_text(encoding="utf-8"))]


def dependencies() -> Path:
    """Install what the package needs into the user's cache, once for each list of it, and return where it is."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    manifest = json.loads((PACKAGE / "package.json").read_text(encoding="utf-8"))
    wanted = {name: manifest[name] for name in ("dependencies", "devDependencies")}
    folder = Path(cache) / "exprsn-node-package-tests"
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"private": True, **wanted})
    with (folder / ".lock").open("w") as lock:
        # Tests in parallel wait for the one that installs.
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / ".installed"
        if not stamp.exists() or stamp.read_text() != text:
            (folder / "package.json").write_text(text)
            command = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
            subprocess.run(command, cwd=folder, check=True, timeout=INSTALL_TIMEOUT_S)
            stamp.write_text(text)
    return folder / "node_modules"


def built(folder: Path) -> Path:
    """Build a copy of the package in a folder, with its tests beside it, and return where it is."""
    copy = folder / "package"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (copy / "node_modules").symlink_to(dependencies())
    command = ["npm", "run", "--silent", "build"]
    made = subprocess.run(command, check=False, cwd=copy, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S)
    assert made.returncode == 0, made.stdout + made.stderr
    return copy


def outcomes(lines: list[str]) -> dict[tuple[str, str], Outcome]:
    """Return what the reporter of the package's tests has said, by file and name."""
    told: list[dict[str, Any]] = [json.loads(line) for line in lines if line.startswith('{"file"')]
    return {(each["file"], each["name"]): Outcome(each["passed"], each["error"]) for each in told}
