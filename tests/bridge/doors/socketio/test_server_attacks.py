"""Whom the door does not let in is counted, as at the native door, and so is what a session is refused."""

from dataclasses import replace

from httpx import ASGITransport, AsyncClient
from pytest_django import Settings

from bridge.doors.socketio.server import SocketIODoor
from ipc.django_app.runtime import Runtime
from ipc.protocol.tally import STRANGERS
from tests.bridge.doors.socketio.engine_io import DEADLINE_S, JOIN, POLLING, Wire, nobody
from tests.bridge.refusals import refused_by


async def opened(door: SocketIODoor, *said: str) -> Wire:
    wire = Wire(door)
    await wire.connect(DEADLINE_S)
    assert (await wire.heard()).startswith("0{")
    for text in said:
        await wire.send_to(text_data=text)
    return wire


async def test_connections_that_are_not_let_in_are_counted(runtime: Runtime, settings: Settings) -> None:
    """As nobody's, and by the service that they wanted to be; one whose token proves nothing once, by the hub."""
    assert runtime.hub is not None
    settings.IPC_BYPASS_AUTH = False
    settings.IPC_AUTH_TIMEOUT = 100
    door = SocketIODoor()
    joins = ("40/ipc/auth,", "40/ipc/exprsn-auth,", "40/ipc/nobody,", "40/,", '40/ipc/spark,{"token":"none"}')
    wire = await opened(door, *joins)
    for _ in joins:
        assert (await wire.heard()).startswith("44")
    assert await wire.closed() == 4408
    assert await (await opened(door, "x")).closed() == 4400
    async with AsyncClient(transport=ASGITransport(door.beside(nobody)), base_url="http://localhost") as http:
        assert (await http.get(POLLING, headers={"Origin": "https://evil.example"})).status_code == 400
    assert refused_by(runtime.hub, STRANGERS) == {
        ("exprsn-auth", "UNAUTHENTICATED"): 2,
        ("exprsn-spark", "TOKEN_INVALID"): 1,
    }
    assert refused_by(runtime.hub) == {
        ("nobody", "UNAUTHENTICATED"): 2,
        ("nobody", "UNKNOWN_SERVICE"): 2,
        ("nobody", "TOKEN_INVALID"): 1,
        ("nobody", "AUTH_TIMEOUT"): 1,
        ("nobody", "INVALID_MESSAGE"): 1,
        ("nobody", "FORBIDDEN"): 1,
    }


async def test_a_service_that_is_not_let_in_once_more_is_no_stranger(runtime: Runtime) -> None:
    assert runtime.hub is not None
    runtime.hub.limits = replace(runtime.hub.limits, sessions_per_service=1)
    door = SocketIODoor()
    first, second = await opened(door, JOIN), await opened(door, JOIN)
    assert await second.closed() == 4503
    await first.disconnect(timeout=DEADLINE_S)
    assert refused_by(runtime.hub) == {("exprsn-auth", "OVERLOADED"): 1}
    assert refused_by(runtime.hub, STRANGERS) == {}


async def test_what_the_door_itself_refuses_a_session_is_counted(runtime: Runtime) -> None:
    assert runtime.hub is not None
    said = ['42/ipc/auth,1["ipc:nothing"]', '451-/ipc/auth,2["ipc:emit",{"_placeholder":true,"num":0}]']
    wire = await opened(SocketIODoor(), JOIN, *said, "42/ipc/auth,[]")
    while not (await wire.heard()).startswith("41/ipc/auth"):
        pass
    await wire.disconnect(timeout=DEADLINE_S)
    assert refused_by(runtime.hub) == {
        ("exprsn-auth", "UNKNOWN_TYPE"): 1,
        ("exprsn-auth", "INVALID_DATA"): 1,
        ("exprsn-auth", "INVALID_JSON"): 1,
    }
