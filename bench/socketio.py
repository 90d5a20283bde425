"""The Node Socket.IO peer: its packages, installed outside the project, and its process."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Final

from bench.servers import Server, ServerError, Tls, free_port, redis_url, start
from bench.wires import SUBSCRIBERS

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


async def install_socketio(folder: Path) -> Path:
    """Install the Socket.IO peer's packages into a folder, once for each package.json; return its server script.

    Raises:
        ServerError: Node.js, npm or the packages are not to be had.

    """
    program("node")
    npm = program("npm")
    script = folder / "socketio_server.mjs"
    if _prepare(folder):
        return script
    print(f"  installing Socket.IO's packages into {folder}", flush=True)
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
    return script


def _prepare(folder: Path) -> bool:
    """Lay the peer's own files into the folder; return whether its packages are there already."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("socketio_server.mjs", "package.json"):
        shutil.copyfile(PEERS / name, folder / name)
    stamp = folder / STAMP
    return stamp.exists() and stamp.read_bytes() == (PEERS / "package.json").read_bytes()


async def start_socketio(
    name: str, mode: str, *, script: Path, valkey: Server, folder: Path, tls: Tls | None = None
) -> Server:
    """Start the Socket.IO peer as the ``seed`` has it, or with its Redis ``adapter``.

    Raises:
        ServerError: it does not start.

    """
    port = free_port()
    env = {"MODE": mode, "PORT": str(port), "REDIS_URL": redis_url(valkey), "SERVICES": ",".join(SUBSCRIBERS)}
    if tls:
        env |= {"TLS_CERT": str(tls.cert), "TLS_KEY": str(tls.key)}
    return await start(name, [program("node"), str(script)], port=port, folder=folder, env=env)


async def node_version() -> str | None:
    """Return the version of Node.js, None where it is not installed."""
    found = shutil.which("node")
    if found is None:
        return None
    process = await asyncio.create_subprocess_exec(found, "--version", stdout=asyncio.subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    return output.decode().strip().removeprefix("v")
