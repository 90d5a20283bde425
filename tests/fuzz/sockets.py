"""A socket that sends whatever bytes it is given, and reads what comes back as strictly as can be."""

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from websockets.frames import Frame, Opcode

from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.messages import ServerMessage
from tests.servers import ServerProcess

DEADLINE_S: Final = 60.0
"""How long nothing may come that is an answer; a frame of 512 questions may take longer than that as a whole."""
LOST: Final = 1006
TYPES: Final = {str(message.__struct_config__.tag) for message in ServerMessage.__subclasses__()}


class RawSocket:
    """One WebSocket at a namespace of a bridge, without a library in between that would refuse to send nonsense."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.errors: list[str] = []
        self.close_code: int | None = None
        self._asked = 0

    async def shake_hands(self, server: ServerProcess, service: str) -> None:
        """Become a WebSocket, and wait for the welcome."""
        key = base64.b64encode(os.urandom(16)).decode()
        self.write(
            f"GET /ipc/{service} HTTP/1.1\r\nHost: localhost:{server.port}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 "), head
        welcome, *_ = await self.messages()
        assert welcome["type"] == "welcome"

    def write(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._writer.write(data)

    async def sent(self) -> None:
        """Let what was written go, as far as nobody has closed the socket."""
        with contextlib.suppress(OSError):
            await self._writer.drain()

    async def is_open_still(self) -> bool:
        """Ask for a pong and read until it or the end comes: False says that the socket was closed in order or not.

        Raises:
            TimeoutError: neither came; the bridge hangs.

        """
        self._asked += 1
        name = f"alive-{self._asked}"
        self.write(text_frame(json.dumps({"type": "ping", "id": name})))
        clock = asyncio.get_running_loop()
        async with asyncio.timeout(DEADLINE_S) as silence:
            while self.close_code is None:
                messages = await self.messages()
                if any(message["type"] == "pong" and message.get("id") == name for message in messages):
                    return True
                if any(message["type"] != "ping" for message in messages):
                    silence.reschedule(clock.time() + DEADLINE_S)
        return False

    async def messages(self) -> list[dict[str, Any]]:
        """Return the messages of the next frame, each one of the protocol; none when it is a control frame."""
        try:
            opcode, payload = await self._frame()
        except (asyncio.IncompleteReadError, OSError):
            self.close_code = self.close_code or LOST
            return []
        if opcode == Opcode.CLOSE:
            self.close_code = int.from_bytes(payload[:2]) if payload else 1005
            return []
        if opcode == Opcode.PING:
            # Or the server takes this for a connection that is lost.
            self.write(Frame(Opcode.PONG, payload).serialize(mask=True))
            return []
        if opcode != Opcode.TEXT:
            assert opcode == Opcode.PONG
            return []
        text = payload.decode()
        assert codec.decode_server_frame(text)
        found = [json.loads(line) for line in text.split("\n")]
        for message in found:
            self._check(message)
        return found

    def _check(self, message: dict[str, Any]) -> None:
        assert message["type"] in TYPES
        if message["type"] == "error":
            assert ErrorCode(message["code"]) is not ErrorCode.INTERNAL, message
            assert message["message"]
            self.errors.append(message["code"])
        elif message["type"] == "ping":
            self.write(text_frame(json.dumps({"type": "pong", "sent": message.get("sent", 0)})))

    async def _frame(self) -> tuple[int, bytes]:
        """Read a frame as RFC 6455 section 5.2 has it; a server does not mask."""
        first, second = await self._reader.readexactly(2)
        assert first & 0x80
        assert not second & 0x80
        length = second
        if second == 126:
            length = int.from_bytes(await self._reader.readexactly(2))
        elif second == 127:
            length = int.from_bytes(await self._reader.readexactly(8))
        return first & 0x0F, await self._reader.readexactly(length)


@asynccontextmanager
async def raw_socket(server: ServerProcess, service: str) -> AsyncIterator[RawSocket]:
    """Open a socket at the namespace of a service; it goes away without a word."""
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection("localhost", server.port, ssl=server.trust)
    try:
        socket = RawSocket(reader, writer)
        async with asyncio.timeout(DEADLINE_S):
            await socket.shake_hands(server, service)
        yield socket
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def text_frame(frame: str | bytes) -> bytes:
    """Return a frame as a client sends it, whether or not its text is UTF-8."""
    raw = frame.encode(errors="surrogatepass") if isinstance(frame, str) else frame
    return Frame(Opcode.TEXT, raw).serialize(mask=True)
