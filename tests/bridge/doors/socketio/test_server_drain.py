"""A bridge that is being stopped sends its Socket.IO clients away, and they come back and miss nothing."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from exprsn.embedded import EmbeddedValkey
from ipc.hub.draining import DRAIN_SPREAD_MS
from tests import servers
from tests.clients import attached
from tests.node import NodeSockets
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes
Pair = dict[str, ServerProcess]


@pytest.fixture(scope="module")
def pair(
    bridge_valkey: EmbeddedValkey, certs_dir: Path, tmp_path_factory: pytest.TempPathFactory, scripts: Path
) -> Iterator[Pair]:
    """A bridge behind each server, of one mesh."""
    made: Pair = {
        kind: servers.bridge(kind, bridge_valkey.url, certs_dir, tmp_path_factory.mktemp(kind))
        for kind in servers.KINDS[:2]
    }
    with made["daphne"], made["uvicorn"]:
        yield made
        for bridge in made.values():
            assert "Traceback" not in bridge.output(), bridge.output()[-5_000:]


@pytest.mark.parametrize(("stopped", "other"), [("daphne", "uvicorn"), ("uvicorn", "daphne")])
async def test_a_client_is_told_that_its_bridge_stops_and_has_everything_when_it_is_back(
    pair: Pair, node: NodeSockets, stopped: str, other: str
) -> None:
    """By websocket and by long-polling: first the notice with the delay, then the close, then all that was missed."""
    bridge, name = pair[stopped], f"drain:{stopped}"
    ways = {"w": ("websocket",), "p": ("polling",)}
    for socket, transports in ways.items():
        options = {"transports": list(transports), "reconnectionDelayMax": 200}
        welcome = await node.welcome(socket, bridge, "/ipc/vault", options=options)
        await node.do("reauth", socket, auth={"positions": welcome["positions"]})
    stopping = asyncio.create_task(asyncio.to_thread(bridge.terminate))
    for socket in ways:
        (notice,) = await node.hear(socket, "ipc:notice")
        assert notice["notice"] == "draining"
        assert 0 <= notice["retryAfterMs"] < DRAIN_SPREAD_MS
        # daphne drops polls as soon as it stops, so there is none to hear this with.
        if (socket, stopped) != ("p", "daphne"):
            while (closed := (await node.hear(socket, "ipc:notice"))[0])["notice"] == "draining":
                pass
            assert (closed["notice"], closed["code"], closed["reconnect"]) == ("closed", 4503, True)
        assert (await node.hear(socket, "disconnect"))[0] in ("transport close", "transport error")
    assert await stopping == 0
    async with attached(pair[other], "atlas") as emitter:
        for number in range(3):
            said = await emitter.ask(type="emit", event=name, data=number, target="vault", ack=True)
            assert said["type"] == "ok", said
        bridge.launch()
        await asyncio.to_thread(bridge.wait)
        for socket in ways:
            (again,) = await node.hear(socket, "ipc:welcome")
            assert again["recovered"] is True
            assert [(await node.hear(socket, name))[0] for _ in range(3)] == [0, 1, 2]
            await node.do("disconnect", socket)
