"""What every transport does alike: in the hub's process, with a hub of its own, and through a real bridge."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from django.core.management import call_command
from django.test import override_settings

from exprsn.embedded import EmbeddedValkey
from ipc.hub.mesh import Mesh
from ipc.protocol.errors import ConnectionClosedError
from ipc.protocol.ids import new_ulid
from ipc.transports.base import Transport
from ipc.transports.link import Link
from ipc.transports.local import LocalTransport, MeshTransport
from ipc.transports.websocket import WebSocketTransport
from tests import servers
from tests.ipc.peers import GUARD_S, Message
from tests.ipc.transports.scripted import RecordingListener, up
from tests.servers import ServerProcess

MakeTransport = Callable[..., Transport]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A bridge of its own, on a Redis that nobody empties under it."""
    directory = tmp_path_factory.mktemp("contract-bridge")
    with override_settings(CERTS_DIR=directory / "certs"):
        call_command("gencerts", service=["bridge", "localhost"], key_type="ec", verbosity=0)
    with (
        EmbeddedValkey(directory / "valkey") as valkey,
        servers.bridge("uvicorn", valkey.url, directory / "certs", directory / "var") as server,
    ):
        yield server


@pytest.fixture(params=["local", "mesh", "websocket"])
async def make_transport(request: pytest.FixtureRequest, redis_url: str) -> AsyncIterator[MakeTransport]:
    """Make transports of one kind into one mesh; they are left at the end."""
    async with AsyncExitStack() as stack:
        make: MakeTransport
        if request.param == "local":
            mesh = await Mesh(redis_url).start()
            stack.push_async_callback(mesh.stop)
            make = lambda service: LocalTransport(mesh.hub, service)  # noqa: E731 - one of three short ways
        elif request.param == "mesh":
            make = lambda service: MeshTransport(redis_url, service)  # noqa: E731 - as above
        else:
            server: ServerProcess = request.getfixturevalue("bridge")
            make = lambda service: WebSocketTransport(server.ws_url, service, ca_file=server.ca_file)  # noqa: E731 - as above

        def make_and_leave(service: str = "herald") -> Transport:
            transport = make(service)
            stack.push_async_callback(transport.aclose)
            return transport

        yield make_and_leave


async def frames(transport: Transport) -> list[Message]:
    async with asyncio.timeout(GUARD_S):
        return [json.loads(line) for line in (await transport.receive()).split("\n")]


async def connected(transport: Transport) -> Message:
    async with asyncio.timeout(GUARD_S):
        await transport.connect()
    return (await frames(transport))[0]


async def ask(transport: Transport, **message: Any) -> list[Message]:
    """Send a request with an id of its own; return all that came up to its answer."""
    message["id"] = new_ulid()
    await transport.send(json.dumps(message))
    heard: list[Message] = []
    while not any(found.get("id") == message["id"] and found["type"] in {"ok", "error", "pong"} for found in heard):
        heard += await frames(transport)
    return heard


async def test_the_first_frame_is_the_welcome(make_transport: MakeTransport) -> None:
    welcome = await connected(make_transport("exprsn-spark"))
    assert (welcome["type"], welcome["service"]) == ("welcome", "exprsn-spark")
    assert welcome["instance"].startswith("exprsn-spark:")


async def test_requests_are_answered_and_events_are_heard(make_transport: MakeTransport) -> None:
    one, other = make_transport("herald"), make_transport("spark")
    await connected(one)
    await connected(other)
    assert (await ask(other, type="subscribe", events=["a:*"]))[-1]["type"] == "ok"
    (ok,) = await ask(one, type="emit", event="a:b", target="spark", data={"é": "\n"}, ack=True)
    (event,) = await frames(other)
    assert (event["data"], event["position"], event["source"]) == ({"é": "\n"}, ok["position"], "exprsn-herald")


async def test_frames_of_many_messages_are_carried_in_order(make_transport: MakeTransport) -> None:
    transport = make_transport()
    await connected(transport)
    await ask(transport, type="subscribe", events=["a:*"])
    large = "x" * 2_000
    for start in (0, 400):
        emit = {"type": "emit", "event": "a:b", "target": "herald"}
        await transport.send("\n".join(json.dumps(emit | {"data": [n, large]}) for n in range(start, start + 400)))
    heard: list[Message] = []
    while len(heard) < 800:
        heard += [message for message in await frames(transport) if message["type"] == "event"]
    assert [event["data"][0] for event in heard] == list(range(800))


async def test_a_transport_that_is_not_connected_says_so(make_transport: MakeTransport) -> None:
    transport = make_transport()
    async with asyncio.timeout(GUARD_S):
        with pytest.raises(ConnectionClosedError):
            await transport.send("{}")
        with pytest.raises(ConnectionClosedError):
            await transport.receive()
        await transport.close()


async def test_closing_wakes_who_receives(make_transport: MakeTransport) -> None:
    transport = make_transport()
    await connected(transport)
    receiving = asyncio.create_task(transport.receive())
    await asyncio.sleep(0)
    await transport.close()
    async with asyncio.timeout(GUARD_S):
        with pytest.raises(ConnectionClosedError) as closed:
            await receiving
        assert closed.value.may_reconnect
        with pytest.raises(ConnectionClosedError):
            await transport.receive()
        with pytest.raises(ConnectionClosedError):
            await transport.send("{}")


async def test_it_may_be_connected_again(make_transport: MakeTransport) -> None:
    """On another session, and as the same instance."""
    transport = make_transport()
    first = await connected(transport)
    await transport.close()
    second = await connected(transport)
    assert second["instance"] == first["instance"]
    assert second["session"] != first["session"]
    assert (await ask(transport, type="ping"))[-1]["type"] == "pong"


async def test_two_transports_are_two_instances(make_transport: MakeTransport) -> None:
    one, other = await connected(make_transport()), await connected(make_transport())
    assert one["instance"] != other["instance"]


async def test_what_was_sent_before_leaving_is_carried_out(make_transport: MakeTransport) -> None:
    leaver, reader = make_transport("herald"), make_transport("spark")
    await connected(leaver)
    await connected(reader)
    await ask(reader, type="subscribe", events=["a:*"])
    await leaver.send(json.dumps({"type": "emit", "event": "a:b", "target": "spark", "data": "bye"}))
    await leaver.close()
    (event,) = await frames(reader)
    assert event["data"] == "bye"


async def test_a_bad_frame_is_told_and_closed_for_good(make_transport: MakeTransport) -> None:
    transport = make_transport()
    await connected(transport)
    await transport.send("nonsense")
    (error,) = await frames(transport)
    assert (error["type"], error["code"]) == ("error", "INVALID_JSON")
    async with asyncio.timeout(GUARD_S):
        with pytest.raises(ConnectionClosedError) as closed:
            await transport.receive()
    assert (closed.value.close_code, closed.value.may_reconnect) == (4400, False)


async def test_leaving_for_good_may_be_said_twice(make_transport: MakeTransport) -> None:
    transport = make_transport()
    await connected(transport)
    await transport.aclose()
    await transport.aclose()


async def test_a_link_over_it_misses_nothing_when_it_is_cut(make_transport: MakeTransport) -> None:
    listener, transport, emitter = RecordingListener(), make_transport("herald"), make_transport("spark")
    await connected(emitter)
    link = Link(transport, ["cut:*"], listener)
    running = asyncio.create_task(link.run())
    await up(link)
    number = 0
    for _ in range(3):
        for _ in range(20):
            await ask(emitter, type="emit", event="cut:here", target="herald", data=number, ack=True)
            number += 1
            if number % 20 == 7:
                await up(link)
                await transport.close()
    assert await listener.until_numbers(60) == list(range(60))
    # The last events may come in the frame that answers the subscription, before the link says that it is up.
    await up(link)
    assert len(listener.sessions) == 4
    running.cancel()
    await asyncio.wait([running])
    await link.close()
