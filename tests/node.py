"""The real socket.io-client under Node.js: packages outside the project, and sockets that a test tells what to do."""

import asyncio
import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Self

from tests.servers import ServerProcess

SCRIPTS = Path(__file__).parent / "bridge" / "doors" / "node"
INSTALL_TIMEOUT_S = 180.0
DEADLINE_S = 20.0
STOP_TIMEOUT_S = 10.0


def missing() -> str | None:
    """Return why no socket.io-client can run here, None where it can."""
    absent = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"{' and '.join(absent)} not installed (Debian: nodejs npm)" if absent else None


def install(scripts: Path = SCRIPTS) -> Path:
    """Lay scripts into the user's cache, install their packages beside them once, and return where they are."""
    cache = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    wanted = (scripts / "package.json").read_bytes()
    name: str = json.loads(wanted)["name"]
    folder = Path(cache) / name
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        # Tests in parallel wait for the one that installs.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for script in scripts.glob("*.mjs"):
            shutil.copyfile(script, folder / script.name)
        stamp = folder / ".installed"
        if not stamp.exists() or stamp.read_bytes() != wanted:
            (folder / "package.json").write_bytes(wanted)
            command = ["npm", "install", "--omit=dev", "--no-audit", "--no-fund", "--no-package-lock"]
            subprocess.run([*command, "--ignore-scripts"], cwd=folder, check=True, timeout=INSTALL_TIMEOUT_S)
            stamp.write_bytes(wanted)
    return folder


class NodeSockets:
    """Sockets in one process of Node; what they hear is kept until somebody waits for it.

    Args:
        folder: where the scripts and their packages are.
        ca_file: whose certificates they trust.

    """

    def __init__(self, folder: Path, ca_file: Path) -> None:
        self._folder = folder
        self._environment = {**os.environ, "NODE_EXTRA_CA_CERTS": str(ca_file)}
        self._kept: list[dict[str, Any]] = []
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._asked = 0
        self._heard = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "it was never started"
        return self._process

    async def do(self, name: str, socket: str, **members: Any) -> Any:
        """Do one command and return its result."""
        self._asked += 1
        future = self._answers[self._asked] = asyncio.get_running_loop().create_future()
        command = {"id": self._asked, "do": name, "socket": socket, **members}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        async with asyncio.timeout(DEADLINE_S):
            return await future

    async def connect(
        self, socket: str, server: ServerProcess, namespace: str, *transports: str, **members: Any
    ) -> dict[str, Any]:
        """Open a socket and return whether it was let in; by websocket alone if no transports are named."""
        options = {"transports": list(transports or ("websocket",)), **members.pop("options", {})}
        url = members.pop("url", server.url)
        result: dict[str, Any] = await self.do(
            "connect", socket, url=url, namespace=namespace, options=options, **members
        )
        return result

    async def welcome(self, socket: str, server: ServerProcess, namespace: str, **members: Any) -> dict[str, Any]:
        """Open a socket that is let in, and return its welcome."""
        connected = await self.connect(socket, server, namespace, **members)
        assert connected["connected"], connected
        said: dict[str, Any] = (await self.hear(socket, "ipc:welcome"))[0]
        return said

    async def ask(self, socket: str, event: str, *args: Any) -> Any:
        """Emit with a callback and return what that is called with."""
        return await self.do("ask", socket, event=event, args=list(args))

    async def tell(self, socket: str, event: str, *args: Any) -> None:
        await self.do("tell", socket, event=event, args=list(args))

    async def hear(self, socket: str, event: str) -> list[Any]:
        """Wait for the next event of a name on a socket, and return its arguments."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                for message in self._kept:
                    if message["socket"] == socket and message["event"] == event:
                        self._kept.remove(message)
                        args: list[Any] = message["args"]
                        return args
                self._heard.clear()
                await self._heard.wait()

    def kept(self, socket: str) -> list[tuple[str, list[Any]]]:
        """Return what a socket has heard that nobody waited for."""
        return [(message["event"], message["args"]) for message in self._kept if message["socket"] == socket]

    def forget(self) -> None:
        """Forget what was heard up to now."""
        self._kept.clear()

    def kill(self) -> None:
        """End the process as a crash would."""
        self.process.kill()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            "node",
            "driver.mjs",
            cwd=self._folder,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=8 * 1024 * 1024,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self.process.stdin is not None
        assert self._reader is not None
        self.process.stdin.close()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            message = json.loads(line)
            if "id" not in message:
                self._kept.append(message)
                self._heard.set()
            elif "error" in message:
                self._answers.pop(message["id"]).set_exception(AssertionError(message["error"]))
            else:
                self._answers.pop(message["id"]).set_result(message["result"])
