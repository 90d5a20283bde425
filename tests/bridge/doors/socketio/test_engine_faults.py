"""A connection that ends while something else is going on with it."""

import asyncio
import json

from httpx import ASGITransport, AsyncClient

from bridge.doors.socketio.server import SocketIODoor
from ipc.protocol.codes import CloseCode
from tests.bridge.doors.socketio.engine_io import DEADLINE_S, POLLING, Wire, nobody


async def test_a_websocket_that_takes_over_while_its_connection_ends_is_closed() -> None:
    """The end of a polling connection waits for a poll; the websocket that comes instead is told."""
    door = SocketIODoor()
    async with AsyncClient(transport=ASGITransport(door.beside(nobody)), base_url="http://localhost") as http:
        sid = json.loads((await http.get(POLLING)).text[1:])["sid"]
    wire = Wire(door, sid)
    await wire.connect(DEADLINE_S)
    shutting = asyncio.create_task(door._server.eio.sockets[sid].shut(CloseCode.AUTH_TIMEOUT, "too late", []))
    await wire.send_to(text_data="2probe")
    assert await wire.heard() == "3probe"
    await wire.send_to(text_data="5")
    assert await wire.closed() == 4408
    await shutting
