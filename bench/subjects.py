"""What is compared: each server by name, how to start it and which protocol it speaks."""

import asyncio
import os
import ssl
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from bench.durable import JetStreamDurable, NativeDurable
from bench.nats import start_jetstream
from bench.servers import ROOT, Server, ServerError, Tls, last_line, redis_url, start_asgi
from bench.socketio import install_socketio, start_socketio
from bench.wires import NativeWire, PlainWire, SocketIOWire, Wire
from bench.workloads import DURABLE, AnyBench, Bench

OURS: Final = "ours-uvicorn"
BASELINE: Final = "socketio-seed"
DURABLE_BASELINE: Final = "jetstream"
CERTS_TIMEOUT_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Place:
    """What servers are started with."""

    folder: Path
    peers_dir: Path
    valkey: Server


@dataclass(frozen=True, slots=True)
class Subject:
    """One server of the comparison, and how the driver connects to it; one that is durable does that workload alone."""

    name: str
    title: str
    start: Callable[[Place, str, Tls | None], Awaitable[Server]]
    connect: Callable[[Place, Server, ssl.SSLContext | None], AnyBench]
    tls: bool = False
    is_durable: bool = False


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


async def _start_jetstream(place: Place, name: str, _tls: Tls | None) -> Server:
    return await start_jetstream(name, place.folder)


def _speaking(wire: type[Wire]) -> Callable[[Place, Server, ssl.SSLContext | None], AnyBench]:
    return lambda _place, server, tls: Bench(wire, server.port, tls)


def _native_durable(place: Place, server: Server, tls: ssl.SSLContext | None) -> AnyBench:
    return NativeDurable(server.port, place.valkey.port, tls)


def _jetstream_durable(_place: Place, server: Server, _tls: ssl.SSLContext | None) -> AnyBench:
    return JetStreamDurable(server.port)


_native, _plain, _socketio = _speaking(NativeWire), _speaking(PlainWire), _speaking(SocketIOWire)
SUBJECTS: Final = (
    Subject(OURS, "ours, uvicorn", partial(_start_ours, server="uvicorn"), _native),
    Subject("ours-daphne", "ours, daphne", partial(_start_ours, server="daphne"), _native),
    Subject(BASELINE, "Socket.IO, Redis pub/sub between", partial(_start_socketio, mode="seed"), _socketio),
    Subject("socketio-adapter", "Socket.IO, its Redis adapter", partial(_start_socketio, mode="adapter"), _socketio),
    *(
        Subject(
            f"channels-{layer}-{server}",
            f"plain Channels, {layer} layer, {server}",
            partial(_start_plain, server=server, layer=layer),
            _plain,
        )
        for layer in ("pubsub", "core")
        for server in ("uvicorn", "daphne")
    ),
    Subject("ours-uvicorn-tls", "ours, uvicorn, TLS", partial(_start_ours, server="uvicorn"), _native, tls=True),
    Subject(
        "socketio-seed-tls",
        "Socket.IO, Redis pub/sub between, TLS",
        partial(_start_socketio, mode="seed"),
        _socketio,
        tls=True,
    ),
    *(
        Subject(
            f"ours-{server}", f"ours, {server}", partial(_start_ours, server=server), _native_durable, is_durable=True
        )
        for server in ("uvicorn", "daphne")
    ),
    Subject(DURABLE_BASELINE, "NATS JetStream, in files", _start_jetstream, _jetstream_durable, is_durable=True),
)
# Which ratios are reported beside the main ones: ours over a peer.
PAIRS: Final = (
    (OURS, "socketio-adapter"),
    (OURS, "channels-pubsub-uvicorn"),
    ("ours-daphne", "channels-pubsub-daphne"),
    ("ours-daphne", DURABLE_BASELINE),
    ("ours-uvicorn-tls", "socketio-seed-tls"),
)


def baseline_of(workload: str) -> str:
    """Return the peer that a workload's ratio is over, by the workload's name."""
    return DURABLE_BASELINE if workload == DURABLE.key else BASELINE


def ours_env(folder: Path) -> dict[str, str]:
    """Return the environment of our bridge with its files in a folder of its own."""
    return {
        "EXPRSN_ENV": "development",
        "DJANGO_SETTINGS_MODULE": "exprsn.settings",
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
