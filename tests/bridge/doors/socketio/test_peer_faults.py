"""A session that is closed, or told something, before the hub has answered its first subscription; Redis being slow."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest
from pytest_django import Settings

from bridge.doors.socketio.server import SocketIODoor
from exprsn.embedded import EmbeddedValkey
from ipc.django_app.conf import conf
from ipc.django_app.runtime import Runtime
from ipc.hub.hub import Hub
from ipc.hub.session import Session
from ipc.protocol.codes import CloseCode
from ipc.protocol.messages import Notice
from tests.bridge.doors.socketio.engine_io import DEADLINE_S, Wire

JOIN = "40/ipc/spark,"


@pytest.fixture
async def hub(own_valkey: EmbeddedValkey, settings: Settings) -> AsyncIterator[Hub]:
    """The hub of a bridge in the test's own event loop, whose Redis a test may freeze."""
    settings.REDIS_URL = own_valkey.url
    running = Runtime(conf)
    await running.start()
    assert running.hub is not None
    yield running.hub
    await running.stop()


async def frozen_join(hub: Hub, valkey: EmbeddedValkey, door: SocketIODoor | None = None) -> tuple[Wire, Session]:
    """Begin to join a namespace, which waits for Redis to say where its logs are."""
    wire = Wire(door or SocketIODoor())
    await wire.connect(DEADLINE_S)
    assert (await wire.heard()).startswith("0{")
    valkey.pause()
    await wire.send_to(text_data=JOIN)
    await until(lambda: bool(hub.sessions))
    (session,) = hub.sessions.values()
    await until(lambda: session.backlog.messages == 0)
    return wire, session


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not is_so():  # noqa: ASYNC110 - hubs set no event
            await asyncio.sleep(0)


async def test_a_session_that_is_sent_away_before_it_began_is_closed(hub: Hub, own_valkey: EmbeddedValkey) -> None:
    """As by a bridge that drains: the connection is closed with the code, and nothing waits for an answer."""
    wire, session = await frozen_join(hub, own_valkey)
    session.close(CloseCode.DRAINING, "draining, reconnect in 7 ms")
    own_valkey.resume()
    assert await wire.closed() == 4503
    assert not hub.sessions


async def test_a_session_whose_token_is_revoked_before_it_began_is_refused(
    hub: Hub, own_valkey: EmbeddedValkey
) -> None:
    """With the code of the reason; other namespaces of the connection go on."""
    wire, session = await frozen_join(hub, own_valkey)
    session.close(CloseCode.REVOKED, "the token was revoked")
    own_valkey.resume()
    refused = json.loads((await wire.heard()).removeprefix("44/ipc/spark,"))
    assert refused["message"] == "the token was revoked"
    assert refused["data"] == {"code": "TOKEN_REVOKED", "closeCode": 4430, "retryable": False}
    await wire.send_to(text_data="40/ipc/live,")
    assert (await wire.heard()).startswith("40/ipc/live,")
    await wire.disconnect(timeout=DEADLINE_S)


async def test_a_client_that_goes_before_its_session_began_leaves_nothing(hub: Hub, own_valkey: EmbeddedValkey) -> None:
    """Neither a session, nor a task that waits, nor a name in the library's books."""
    door = SocketIODoor()
    wire, _ = await frozen_join(hub, own_valkey, door)
    (connection,) = door._server.eio.sockets.values()
    await connection.close()
    own_valkey.resume()
    assert await wire.closed() == 1000
    await until(lambda: not hub.sessions)
    assert not door._server.manager.rooms
    assert not door._server.manager.pending_connect


async def test_a_server_that_stops_need_not_wait_for_a_session_that_began_to_join(
    hub: Hub, own_valkey: EmbeddedValkey
) -> None:
    """As daphne stops: it cancels its applications, which the library must not keep to itself."""
    wire, _ = await frozen_join(hub, own_valkey)
    wire.future.cancel()
    done, _ = await asyncio.wait([wire.future], timeout=DEADLINE_S)
    own_valkey.resume()
    assert done, "the cancellation was lost"
    assert wire.future.cancelled()
    assert not hub.sessions


async def test_what_is_told_before_a_session_began_follows_its_welcome(hub: Hub, own_valkey: EmbeddedValkey) -> None:
    """Such as a warning that the limit is near: it does not stand in the way of the answer that opens the session."""
    wire, session = await frozen_join(hub, own_valkey)
    session.answer(Notice(notice="rate_warning"))
    await until(lambda: session.backlog.messages == 0)
    own_valkey.resume()
    heard = [await wire.heard() for _ in range(3)]
    assert heard[0].startswith(JOIN)
    assert [json.loads(text.removeprefix("42/ipc/spark,"))[0] for text in heard[1:]] == ["ipc:welcome", "ipc:notice"]
    await wire.disconnect(timeout=DEADLINE_S)
