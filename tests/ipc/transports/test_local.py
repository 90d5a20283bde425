"""The in-process door, where it differs from the others."""

import asyncio
import json

import pytest

from exprsn.embedded import EmbeddedValkey
from ipc.hub.hub import Hub
from ipc.protocol.errors import ConnectionClosedError, UnknownServiceError
from ipc.transports.local import MAX_WAITING_FRAMES, LocalTransport, MeshTransport
from tests.ipc.conftest import MakeHub
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S


async def test_a_service_that_does_not_exist_is_refused_at_once(hub: Hub) -> None:
    with pytest.raises(UnknownServiceError):
        LocalTransport(hub, "nobody")


async def test_a_hub_that_stops_sends_it_away_and_lets_nobody_in(hub: Hub) -> None:
    transport = LocalTransport(hub, "herald")
    await transport.connect()
    await transport.receive()
    await hub.stop()
    notice = json.loads(await transport.receive())
    assert notice["notice"] == "draining"
    with pytest.raises(ConnectionClosedError) as closed:
        await transport.receive()
    assert (closed.value.close_code, closed.value.may_reconnect) == (4503, True)
    assert f"{notice['retry_after_ms']} ms" in closed.value.reason
    with pytest.raises(ConnectionClosedError) as refused:
        await LocalTransport(hub, "herald").connect()
    assert refused.value.close_code == 4503


async def test_what_came_before_the_close_is_read_first(hub: Hub) -> None:
    """Also when so much waits that the close finds no place in the queue."""
    transport = LocalTransport(hub, "herald")
    await transport.connect()
    assert "welcome" in await transport.receive()
    for number in range(MAX_WAITING_FRAMES):
        await transport._peer.send(str(number))
    assert transport._peer.frames.full()
    await transport._peer.close(4400, "no")
    assert [await transport.receive() for _ in range(MAX_WAITING_FRAMES)] == [str(n) for n in range(MAX_WAITING_FRAMES)]
    with pytest.raises(ConnectionClosedError) as closed:
        await transport.receive()
    assert closed.value.close_code == 4400


async def test_a_worker_that_does_not_read_bounds_what_waits_for_it(hub: Hub) -> None:
    transport, emitter = LocalTransport(hub, "herald"), Member(hub, "spark")
    await transport.connect()
    await transport.send('{"type":"subscribe","id":"1","events":["*"]}')
    for number in range(3 * MAX_WAITING_FRAMES):
        await emitter.emit(data=number, target="herald")
    assert transport._peer.frames.qsize() <= MAX_WAITING_FRAMES
    heard: list[int] = []
    async with asyncio.timeout(GUARD_S):
        while len(heard) < 3 * MAX_WAITING_FRAMES:
            messages = [json.loads(line) for line in (await transport.receive()).split("\n")]
            heard += [message["data"] for message in messages if message["type"] == "event"]
    assert heard == list(range(3 * MAX_WAITING_FRAMES))
    await transport.aclose()


async def test_a_mesh_transport_has_a_hub_of_its_own_until_it_leaves(own_valkey: EmbeddedValkey) -> None:
    """It keeps it over connections, and connects also while Redis is away."""
    own_valkey.kill()
    transport = MeshTransport(own_valkey.url, "herald")
    await transport.connect()
    assert transport._mesh is not None
    hub = transport._mesh.hub
    await transport.close()
    await transport.connect()
    assert transport._mesh.hub is hub
    await transport.aclose()
    assert hub.is_draining


async def test_a_hub_forgets_a_transport_that_left(make_hub: MakeHub) -> None:
    hub = await make_hub()
    transport = LocalTransport(hub, "herald")
    await transport.connect()
    assert len(hub.sessions) == 1
    await transport.aclose()
    assert hub.sessions == {}
