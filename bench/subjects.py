"""What is compared: each server by name, how to start it and who drives it."""

import json
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.acknowledged import AckEmitterWire, AckMemberWire, AcknowledgedDurable, DoorEmitterWire, DoorMemberWire
from bench.bridge import start_ours
from bench.calls import CallBench
from bench.durable import CREDIT, MEMBERS, JetStreamDurable, NativeDurable, pending
from bench.library import LibraryCall, LibraryDurable
from bench.nats import consumer_config, start_jetstream, stream_config
from bench.nats_library import NatsLibraryDurable
from bench.node import NodeBench, NodeScript, start_script
from bench.npm import install_peers
from bench.servers import Server, ServerError, Tls, redis_url, start_asgi, start_valkey
from bench.socketio_wires import DoorWire, SocketIOWire
from bench.wires import SUBSCRIBERS, NativeWire, PlainWire, Wire, post_data
from bench.workloads import CALL, DURABLE, AnyBench, Bench, Load, Part

OURS: Final = "ours-uvicorn"
OURS_LIBRARY: Final = "ours-worker"
OURS_DOOR: Final = "ours-socketio"
SOCKETIO: Final = "socketio-seed"
SOCKETIO_ACKS: Final = "socketio-acks"
JETSTREAM: Final = "jetstream-node"
JETSTREAM_PYTHON: Final = "jetstream-python"
JETSTREAM_RAW: Final = "jetstream-raw"
MOLECULER: Final = "moleculer"
COMPILE_S: Final = 1.5

Connect = Callable[[], AnyBench]


@dataclass(frozen=True, slots=True)
class Place:
    """What a subject is started with: its name, a folder of its own, and the stack that ends what it starts."""

    name: str
    folder: Path
    peers_dir: Path
    stack: AsyncExitStack
    tls: Tls | None = None

    def keep(self, server: Server) -> Server:
        """Have a server stopped in the end."""
        self.stack.push_async_callback(server.stop)
        return server

    async def bridge(self, valkey: Server, *, server: str) -> Server:
        """Start our bridge."""
        return self.keep(await start_ours(self.name, valkey, server=server, folder=self.folder, tls=self.tls))

    async def valkey(self, *, is_durable: bool = False) -> Server:
        """Start a Valkey for this subject alone, so that no server is in one mesh with another of the comparison."""
        return self.keep(await start_valkey(self.folder, is_durable=is_durable))


@dataclass(frozen=True, slots=True)
class Subject:
    """One server of the comparison; ``start`` returns how to connect to it."""

    name: str
    title: str
    start: Callable[[Place], Awaitable[Connect]]
    tls: bool = False
    part: Part = Part.LIVE


def _context(tls: Tls | None) -> ssl.SSLContext | None:
    return ssl.create_default_context(cafile=tls.ca) if tls else None


async def _ours(place: Place, *, server: str, wire: type[Wire] = NativeWire) -> Connect:
    bridge = await place.bridge(await place.valkey(), server=server)
    return lambda: Bench(wire, bridge.port, _context(place.tls))


async def _ours_durable(place: Place, *, server: str) -> Connect:
    valkey = await place.valkey(is_durable=True)
    bridge = await place.bridge(valkey, server=server)
    return lambda: NativeDurable(bridge.port, valkey.port)


async def _ours_door_durable(place: Place) -> Connect:
    valkey = await place.valkey(is_durable=True)
    bridge = await place.bridge(valkey, server="uvicorn")
    return lambda: AcknowledgedDurable(bridge.port, DoorEmitterWire, DoorMemberWire, partial(pending, valkey.port))


async def _ours_library(place: Place) -> Connect:
    valkey = await place.valkey(is_durable=True)
    bridge = await place.bridge(valkey, server="uvicorn")
    return lambda: LibraryDurable(bridge.port, valkey.port)


async def _ours_library_call(place: Place) -> Connect:
    bridge = await place.bridge(await place.valkey(), server="uvicorn")
    return lambda: LibraryCall(bridge.port)


async def _ours_call(place: Place, *, server: str) -> Connect:
    bridge = await place.bridge(await place.valkey(), server=server)
    return lambda: CallBench(bridge.port)


async def _plain(place: Place, *, server: str, layer: str) -> Connect:
    env = {"LAYER": layer, "REDIS_URL": redis_url(await place.valkey())}
    application = "bench.peers.naive_channels:application"
    plain = place.keep(await start_asgi(place.name, application, server=server, folder=place.folder, env=env))
    return lambda: Bench(PlainWire, plain.port)


async def _socketio(place: Place, *, mode: str) -> Connect:
    node = await _socketio_server(place, mode)
    return lambda: Bench(SocketIOWire, node.port, _context(place.tls))


async def _socketio_acks(place: Place) -> Connect:
    async def nothing_left() -> int:
        # An emit is answered when its event was acknowledged.
        return 0

    node = await _socketio_server(place, "acks")
    return lambda: AcknowledgedDurable(node.port, AckEmitterWire, AckMemberWire, nothing_left)


async def _socketio_server(place: Place, mode: str) -> Server:
    await install_peers(place.peers_dir)
    env = {"MODE": mode, "REDIS_URL": redis_url(await place.valkey()), "SERVICES": ",".join(SUBSCRIBERS)}
    script = place.peers_dir / "socketio_server.mjs"
    return place.keep(await start_script(place.name, script, env=env, folder=place.folder, tls=place.tls))


async def _jetstream_raw(place: Place) -> Connect:
    server = place.keep(await start_jetstream(place.name, place.folder))
    return lambda: JetStreamDurable(server.port)


async def _jetstream_node(place: Place) -> Connect:
    await install_peers(place.peers_dir)
    server = place.keep(await start_jetstream(place.name, place.folder))
    setup = {
        "port": server.port,
        "stream": stream_config(),
        "consumer": consumer_config(max_unacknowledged=MEMBERS * CREDIT),
        "members": MEMBERS,
        "credit": CREDIT,
    }
    return await _script(place, "jetstream.mjs", setup, DURABLE.window)


async def _jetstream_python(place: Place) -> Connect:
    server = place.keep(await start_jetstream(place.name, place.folder))
    return lambda: NatsLibraryDurable(server.port)


async def _moleculer(place: Place) -> Connect:
    await install_peers(place.peers_dir)
    setup = {"redis": redis_url(await place.valkey()), "services": len(SUBSCRIBERS)}
    return await _script(place, "moleculer.mjs", setup, CALL.window)


async def _script(place: Place, name: str, setup: dict[str, Any], window: int) -> Connect:
    """Start a script that drives itself, and let it run for a while: Node.js compiles what it has seen often."""
    script = NodeScript(place.peers_dir / name, place.folder / "driver.log")
    await script.start({**setup, "post": json.loads(post_data(0))})
    place.stack.push_async_callback(script.stop)
    try:
        await script.run(Load(events=1_000_000, seconds=COMPILE_S, window=window, sample_every=1000))
    except OSError as error:
        raise ServerError(str(error)) from error
    return lambda: NodeBench(script)


def _each_server(title: str, start: Callable[..., Awaitable[Connect]], part: Part) -> list[Subject]:
    return [
        Subject(f"ours-{server}", f"ours, {server}{title}", partial(start, server=server), part=part)
        for server in ("uvicorn", "daphne")
    ]


SUBJECTS: Final = (
    *_each_server("", _ours, Part.LIVE),
    Subject(OURS_DOOR, "ours, uvicorn, Socket.IO", partial(_ours, server="uvicorn", wire=DoorWire)),
    Subject(SOCKETIO, "Socket.IO, Redis pub/sub between", partial(_socketio, mode="seed")),
    Subject("socketio-adapter", "Socket.IO, its Redis adapter", partial(_socketio, mode="adapter")),
    *(
        Subject(
            f"channels-{layer}-{server}",
            f"plain Channels, {layer} layer, {server}",
            partial(_plain, server=server, layer=layer),
        )
        for layer in ("pubsub", "core")
        for server in ("uvicorn", "daphne")
    ),
    Subject("ours-uvicorn-tls", "ours, uvicorn, TLS", partial(_ours, server="uvicorn"), tls=True),
    Subject("socketio-seed-tls", "Socket.IO, Redis pub/sub between, TLS", partial(_socketio, mode="seed"), tls=True),
    *_each_server(", raw client", _ours_durable, Part.DURABLE),
    Subject(OURS_DOOR, "ours, uvicorn, Socket.IO", _ours_door_durable, part=Part.DURABLE),
    Subject(SOCKETIO_ACKS, "Socket.IO, its callbacks", _socketio_acks, part=Part.DURABLE),
    Subject(OURS_LIBRARY, "ours, uvicorn, IPCWorker", _ours_library, part=Part.DURABLE),
    Subject(JETSTREAM_RAW, "NATS JetStream, raw client", _jetstream_raw, part=Part.DURABLE),
    Subject(JETSTREAM, "NATS JetStream, its Node client", _jetstream_node, part=Part.DURABLE),
    Subject(JETSTREAM_PYTHON, "NATS JetStream, its Python client", _jetstream_python, part=Part.DURABLE),
    *_each_server(", raw client", _ours_call, Part.CALL),
    Subject(OURS_LIBRARY, "ours, uvicorn, IPCWorker", _ours_library_call, part=Part.CALL),
    Subject(MOLECULER, "Moleculer over Redis", _moleculer, part=Part.CALL),
)
# Which ratios are reported beside the main ones: the rate of one over that of another.
PAIRS: Final = (
    (OURS, "socketio-adapter"),
    (OURS, "channels-pubsub-uvicorn"),
    ("ours-daphne", "channels-pubsub-daphne"),
    ("ours-daphne", SOCKETIO),
    ("ours-daphne", JETSTREAM),
    ("ours-daphne", MOLECULER),
    ("ours-uvicorn-tls", "socketio-seed-tls"),
)
BASELINES: Final = {Part.LIVE: SOCKETIO, Part.DURABLE: JETSTREAM, Part.CALL: MOLECULER}
