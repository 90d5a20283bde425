"""What is compared: each server by name, how to start it and which protocol it speaks."""

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from bench.servers import ROOT, Server, ServerError, Tls, last_line, redis_url, start_asgi
from bench.socketio import install_socketio, start_socketio
from bench.wires import NativeWire, PlainWire, SocketIOWire, Wire

OURS: Final = "ours-uvicorn"
BASELINE: Final = "socketio-seed"
CERTS_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """What servers are started with."""

    folder: Path
    peers_dir: Path
    valkey: Server


@dataclass(frozen=True, slots=True)
class Subject:
    """One server of the comparison."""

    name: str
    title: str
    wire: type[Wire]
    start: Callable[[Place, str, Tls | None], Awaitable[Server]]
    tls: bool = False


async def _start_ours(place: Place, name: str, tls: Tls | None, *, server: str) -> Server:
    env = {**ours_env(place.folder / name), "REDIS_URL": redis_url(place.valkey)}
    return await start_asgi(name, "exprsn.asgi:application", server=server, folder=place.folder, env=env, tls=tls)


async def _start_plain(place: Place, name: str, tls: Tls | None, *, server: str, layer: str) -> Server:
    env = {"LAYER": layer, "REDIS_URL": redis_url(place.valkey)}
    application = "bench.peers.naive_channels:application"
    return await start_asgi(name, application, server=server, folder=place.folder, env=env, tls=tls)


async def _start_socketio(place: Place, name: str, tls: Tls | None, *, mode: str) -> Server:
    script = await install_socketio(place.peers_dir)
    return await start_socketio(name, mode, script=script, valkey=place.valkey, folder=place.folder, tls=tls)


SUBJECTS: Final = (
    Subject(OURS, "ours, uvicorn", NativeWire, partial(_start_ours, server="uvicorn")),
    Subject("ours-daphne", "ours, daphne", NativeWire, partial(_start_ours, server="daphne")),
    Subject(BASELINE, "Socket.IO, Redis pub/sub between", SocketIOWire, partial(_start_socketio, mode="seed")),
    Subject("socketio-adapter", "Socket.IO, its Redis adapter", SocketIOWire, partial(_start_socketio, mode="adapter")),
    *(
        Subject(
            f"channels-{layer}-{server}",
            f"plain Channels, {layer} layer, {server}",
            PlainWire,
            partial(_start_plain, server=server, layer=layer),
        )
        for layer in ("pubsub", "core")
        for server in ("uvicorn", "daphne")
    ),
    Subject("ours-uvicorn-tls", "ours, uvicorn, TLS", NativeWire, partial(_start_ours, server="uvicorn"), tls=True),
    Subject(
        "socketio-seed-tls",
        "Socket.IO, Redis pub/sub between, TLS",
        SocketIOWire,
        partial(_start_socketio, mode="seed"),
        tls=True,
    ),
)
# Which ratios are reported, the main ones first: ours over a peer.
PAIRS: Final = (
    (OURS, BASELINE),
    (OURS, "socketio-adapter"),
    (OURS, "channels-pubsub-uvicorn"),
    ("ours-daphne", "channels-pubsub-daphne"),
    ("ours-uvicorn-tls", "socketio-seed-tls"),
)


def ours_env(folder: Path) -> dict[str, str]:
    """Return the environment of our bridge with its files in a folder of its own."""
    return {
        "EXPRSN_ENV": "development",
        "EXPRSN_SERVICE": "bridge",
        "DEV_BYPASS": "true",
        "IPC_BYPASS_AUTH": "true",
        "DEBUG": "false",
        "BIND_HOST": "127.0.0.1",
        "BRIDGE_URL": "",
        "DATABASE_URL": "",
        "TLS_ENABLED": "false",
        "VAR_DIR": str(folder),
        "LOG_LEVEL": "WARNING",
    }


async def make_certificate(folder: Path) -> Tls:
    """Return a certificate for 127.0.0.1, made by the project's own CA in a folder of its own.

    Raises:
        ServerError: it could not be made.

    """
    certs, log = folder / "certs", folder / "gencerts.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "manage.py", "gencerts", "--service", "bridge"),
            cwd=ROOT,
            env={**os.environ, **ours_env(folder / "var"), "CERTS_DIR": str(certs)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            code = await asyncio.wait_for(process.wait(), CERTS_TIMEOUT_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if code:
        raise ServerError(f"manage.py gencerts failed: {last_line(log)}")
    return Tls(certs / "exprsn-bridge-cert.pem", certs / "exprsn-bridge-key.pem", certs / "ca-cert.pem")
