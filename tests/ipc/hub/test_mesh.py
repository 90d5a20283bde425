"""Hubs connected as in production: the Pub/Sub channel layer on the real Valkey, and what its outages do."""

import asyncio
import sys

import pytest
import redis

from exprsn.embedded import EmbeddedValkey
from ipc.hub.mesh import Mesh
from ipc.protocol.errors import ConfigurationError
from tests.ipc.conftest import MakeMesh
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S


async def test_events_cross_the_mesh(make_mesh: MakeMesh) -> None:
    one, other = await make_mesh(), await make_mesh()
    here, there = Member(one.hub), Member(other.hub)
    await here.subscribe("*")
    await there.subscribe("*")
    await here.emit_numbers(range(20))
    await there.emit_numbers(range(20, 40))
    assert await here.hears(40) == await there.hears(40) == list(range(40))


async def test_large_and_small_events_keep_their_order_across_the_mesh(make_mesh: MakeMesh) -> None:
    """Those above 256 KiB together are read from the log by the other side, those between come as pushes."""
    one, other = await make_mesh(), await make_mesh()
    here, there = Member(one.hub), Member(other.hub)
    await there.subscribe("*")
    for number in range(6):
        size = 250_000 if number % 2 else 10
        await here.say(*({"type": "emit", "event": "a:b", "data": f"{number}{'x' * size}"} for _ in range(3)))
    assert [data[0] for data in await there.hears(18)] == [f"{number}" for number in range(6) for _ in range(3)]


async def test_a_mesh_survives_a_restart_of_redis(make_mesh: MakeMesh, own_valkey: EmbeddedValkey) -> None:
    """Sessions stay, and hear each event once and in order, also those during which pushes were lost."""
    one, other = await make_mesh(own_valkey.url), await make_mesh(own_valkey.url)
    here, there = Member(one.hub), Member(other.hub)
    await here.subscribe("*")
    await there.subscribe("*")
    await here.emit(data=0)
    assert await there.hears(1) == [0]
    await asyncio.to_thread(own_valkey.stop)
    refused = await here.ask(type="emit", event="a:b", data="lost", ack=True)
    assert refused["code"] == "UNAVAILABLE"
    await asyncio.to_thread(own_valkey.start)
    await here.emit_numbers(range(1, 10))
    assert await there.hears(10) == list(range(10))
    assert await here.hears(10) == list(range(10))
    assert (here.peer.closed, there.peer.closed) == (None, None)


async def test_an_outage_is_said_in_one_line_each_time(
    make_mesh: MakeMesh, own_valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    mesh = await make_mesh(own_valkey.url)
    member = Member(mesh.hub)
    await member.subscribe("*")
    await asyncio.to_thread(own_valkey.stop)
    async with asyncio.timeout(GUARD_S):
        while mesh.hub.counters.reconciles_failed == 0:
            await member.is_well()
            await asyncio.sleep(0.01)
    assert "Traceback" not in caplog.text
    assert own_valkey.url not in caplog.text


async def test_stopping_closes_every_connection(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as observer:
        before = len(observer.client_list())
        mesh = await Mesh(redis_url).start()
        member = Member(mesh.hub)
        await member.subscribe("*")
        await member.emit()
        assert len(observer.client_list()) > before
        await mesh.stop()
        # The server closes its end when it has read the goodbye, which it does before it answers what is sent later.
        observer.ping()
        assert len(observer.client_list()) == before
    assert member.peer.closed is not None


async def test_whoever_has_installed_no_channel_layer_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "channels_redis.pubsub", None)
    with pytest.raises(ConfigurationError, match=r"needs channels_redis\.pubsub: install exprsn-ipc\[mesh\]"):
        Mesh("redis://127.0.0.1:6379/0")
