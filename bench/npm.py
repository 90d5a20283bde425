"""Node.js, and the packages of the peers that run on it, installed outside the project."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

from bench.servers import ServerError

PEERS: Final = Path(__file__).resolve().parent / "peers"
INSTALL_TIMEOUT_S: Final = 180.0
# The package.json that was installed last.
STAMP: Final = ".installed"


def program(name: str) -> str:
    """Return the path of ``node`` or ``npm``.

    Raises:
        ServerError: it is not installed.

    """
    found = shutil.which(name)
    if found is None:
        raise ServerError(f"{name} is not installed")
    return found


def peers_dir() -> Path:
    """Return where the npm packages of the peers are kept: outside the project."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(cache) / "exprsn-bench"


async def install_peers(folder: Path) -> None:
    """Lay the peers' scripts into a folder and install their packages there, once for each package.json.

    Raises:
        ServerError: Node.js, npm or the packages are not to be had.

    """
    program("node")
    npm = program("npm")
    if _prepare(folder):
        return
    print(f"  installing the packages of the peers in Node into {folder}", flush=True)
    command = [npm, "install", "--omit=dev", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts"]
    log = folder / "npm.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(*command, cwd=folder, stdout=output, stderr=output)
    try:
        code = await asyncio.wait_for(process.wait(), INSTALL_TIMEOUT_S)
    except BaseException as error:
        process.kill()
        await process.wait()
        if isinstance(error, TimeoutError):
            raise ServerError(f"npm install took more than {INSTALL_TIMEOUT_S:.0f} s") from None
        raise
    if code:
        raise ServerError(f"npm install failed, see {log}")
    (folder / STAMP).write_bytes((PEERS / "package.json").read_bytes())


def _prepare(folder: Path) -> bool:
    """Lay the peers' own files into the folder; return whether their packages are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in (*PEERS.glob("*.mjs"), PEERS / "package.json"):
        shutil.copyfile(file, folder / file.name)
    stamp = folder / STAMP
    return stamp.exists() and stamp.read_bytes() == (PEERS / "package.json").read_bytes()


async def node_version() -> str | None:
    """Return the version of Node.js, None where it is not installed."""
    found = shutil.which("node")
    if found is None:
        return None
    process = await asyncio.create_subprocess_exec(found, "--version", stdout=asyncio.subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    return output.decode().strip().removeprefix("v")
