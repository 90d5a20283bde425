"""The parser of the AsyncAPI initiative, in Node.js, installed outside the project where it can be."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

FILES: Final = Path(__file__).parent / "node"
INSTALL_TIMEOUT_S: Final = 240
PARSE_TIMEOUT_S: Final = 120
ERROR: Final = 0
"""The severity of what makes a document wrong; warnings and hints are 1 and more."""


def faults(document: str) -> list[Any]:
    """Return what the parser says is wrong with a document; skip the test where it cannot be asked."""
    folder = _installed()
    found = subprocess.run(
        ["node", "asyncapi.mjs"],
        cwd=folder,
        input=document,
        capture_output=True,
        text=True,
        check=False,
        timeout=PARSE_TIMEOUT_S,
    )
    assert found.returncode == 0, found.stderr
    return [fault for fault in json.loads(found.stdout) if fault[0] == ERROR]


def _installed() -> Path:
    for name in ("node", "npm"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed, so the parser of AsyncAPI cannot be asked")
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(cache) / "exprsn-asyncapi"
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (FILES / "package.json").read_bytes()
    stamp = folder / ".installed"
    with (folder / ".lock").open("w") as lock:
        # Tests run in several processes.
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.copyfile(FILES / "asyncapi.mjs", folder / "asyncapi.mjs")
        if not (stamp.exists() and stamp.read_bytes() == wanted):
            (folder / "package.json").write_bytes(wanted)
            _install(folder)
            stamp.write_bytes(wanted)
    return folder


def _install(folder: Path) -> None:
    command = ["npm", "install", "--omit=dev", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=INSTALL_TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"npm install took more than {INSTALL_TIMEOUT_S} s")
    if done.returncode:
        pytest.skip(f"the parser of AsyncAPI cannot be installed: {done.stderr.strip()[-200:]}")
