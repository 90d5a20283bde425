"""Engine.IO by hand, for clients that no library would be."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from channels.testing import WebsocketCommunicator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bridge.doors.socketio.server import SocketIODoor
from tests.servers import ServerProcess

POLLING = "/socket.io/?EIO=4&transport=polling"
WEBSOCKET = "/socket.io/?EIO=4&transport=websocket"
DEADLINE_S = 20.0
JOIN = "40/ipc/auth,"


@contextlib.asynccontextmanager
async def opened(server: ServerProcess, *said: str) -> AsyncIterator[ClientConnection]:
    """Open a websocket by hand, and say something on it after the handshake."""
    async with connect(server.ws_url + WEBSOCKET, ssl=server.trust, proxy=None, close_timeout=2) as socket:
        assert str(await socket.recv()).startswith("0{")
        for text in said:
            await socket.send(text)
        yield socket


async def ended(socket: ClientConnection) -> tuple[int, list[str]]:
    """Return the code that a websocket is closed with, and what came before."""
    heard: list[str] = []
    try:
        async with asyncio.timeout(DEADLINE_S):
            while True:
                heard.append(str(await socket.recv()))
    except ConnectionClosed as closed:
        return closed.rcvd.code if closed.rcvd else 1006, heard


class Wire(WebsocketCommunicator):
    """A websocket to a door in the test's own event loop, to a connection that polls or to one of its own."""

    def __init__(self, door: SocketIODoor, sid: str = "") -> None:
        path = f"{WEBSOCKET}&sid={sid}" if sid else WEBSOCKET
        super().__init__(door.beside(nobody), path, headers=[(b"upgrade", b"websocket")])
        self.scope["client"] = ("127.0.0.1", 1)

    async def heard(self) -> str:
        """Return the next packet."""
        return str(await self.receive_from(DEADLINE_S))

    async def closed(self) -> int:
        """Return the code that it is closed with; the door has nothing more to do for it then."""
        while (message := await self.receive_output(DEADLINE_S))["type"] != "websocket.close":
            pass
        await self.send_input({"type": "websocket.disconnect", "code": message["code"]})
        done, _ = await asyncio.wait([self.future], timeout=DEADLINE_S)
        assert done, "the door still waits for something"
        self.future.result()
        return int(message["code"])


async def nobody(_scope: object, _receive: object, _send: object) -> None:
    """Be what a door is beside of."""
    raise AssertionError("nobody asks for anything but the door")
