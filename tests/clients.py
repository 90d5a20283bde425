"""A client of the native protocol that says exactly what a test wants it to say."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.servers import ServerProcess

DEADLINE_S = 15.0

Message = dict[str, Any]


class Client:
    """One socket; messages that were not asked for are kept until somebody waits for them."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self._kept: list[Message] = []
        self._asked = 0

    async def say(self, *messages: Message) -> None:
        """Send messages in one frame."""
        await self.raw("\n".join(json.dumps(message) for message in messages))

    async def raw(self, frame: str | bytes) -> None:
        async with asyncio.timeout(DEADLINE_S):
            await self.connection.send(frame)

    async def ask(self, **message: Any) -> Message:
        """Send a message with an id and return its answer."""
        self._asked += 1
        request_id = message.setdefault("id", f"{os.urandom(6).hex()}-{self._asked}")
        await self.say(message)
        return await self.hear(lambda heard: heard.get("id") == request_id and heard["type"] != "event")

    async def event(self) -> Message:
        """Return the next event."""
        return await self.hear(lambda heard: heard["type"] == "event")

    async def events(self, count: int) -> list[Message]:
        return [await self.event() for _ in range(count)]

    async def next(self) -> Message:
        """Return the next message of any type but heartbeats."""
        return await self.hear(lambda heard: heard["type"] != "ping")

    async def hear(self, is_wanted: Any) -> Message:
        """Return the first message that is wanted, keeping the others."""
        for message in self._kept:
            if is_wanted(message):
                self._kept.remove(message)
                return message
        async with asyncio.timeout(DEADLINE_S):
            while True:
                frame = await self.connection.recv()
                messages: list[Message] = [json.loads(line) for line in str(frame).split("\n")]
                for ping in (message for message in messages if message["type"] == "ping"):
                    await self.connection.send(json.dumps({"type": "pong", "sent": ping.get("sent", 0)}))
                wanted = next((message for message in messages if is_wanted(message)), None)
                self._kept += [message for message in messages if message is not wanted]
                if wanted is not None:
                    return wanted

    async def close_code(self) -> int:
        """Wait until the other side has closed the socket, and return its code; 1006 where it gave none."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    self._kept += [json.loads(line) for line in str(await self.connection.recv()).split("\n")]
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006

    async def is_well(self) -> bool:
        """Tell whether the bridge still answers on this socket."""
        answer = await self.ask(type="ping")
        return bool(answer["type"] == "pong")


@asynccontextmanager
async def socket_to(server: ServerProcess, path: str, **options: Any) -> AsyncIterator[Client]:
    """Open a socket at a path of a server; nothing has been read from it."""
    async with connect(
        server.ws_url + path, ssl=server.trust, proxy=None, close_timeout=2, open_timeout=DEADLINE_S, **options
    ) as connection:
        yield Client(connection)


@asynccontextmanager
async def attached(server: ServerProcess, service: str, *events: str, **options: Any) -> AsyncIterator[Client]:
    """Attach as a service, welcomed, and subscribed where there is something to subscribe to."""
    async with socket_to(server, f"/ipc/{service}", **options) as client:
        assert (await client.next())["type"] == "welcome"
        if events:
            assert (await client.ask(type="subscribe", events=list(events)))["type"] == "ok"
        yield client
