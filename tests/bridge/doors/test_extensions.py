"""What a server with our extensions does: several texts in one write, and no more reading than was asked for."""

import asyncio
from collections.abc import Sequence

import pytest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode

from bridge.doors.extensions import READING, SEND_TEXTS, TEXTS, limit_reading, takes_texts
from bridge.doors.frames import FrameProtocol
from tests.bridge.doors.test_frames import Connection, Message, RecordedTransport

SAID = ["x", "ü" * 100, "x" * 70_000]
DEFLATED = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


class CountedTransport(RecordedTransport):
    """A socket that counts how often it is written to."""

    writes = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes += 1
        super().write(data)


@pytest.mark.parametrize(("kind", "has_it"), [(FrameProtocol, True), (WebSocketsSansIOProtocol, False)])
async def test_only_our_frames_say_that_they_take_several(kind: type[WebSocketsSansIOProtocol], has_it: bool) -> None:
    connection = Connection(kind)
    await connection.open()
    assert takes_texts(connection.protocol.scope) is has_it
    assert takes_texts({"type": "websocket"}) is False
    assert takes_texts({"extensions": {TEXTS: {}}}) is True
    await connection.end()


async def written(messages: Sequence[Message], asked: bytes) -> tuple[bytes, int]:
    """Return what is written for messages, and in how many writes."""
    connection = Connection(FrameProtocol, deflates=bool(asked))
    transport = connection.transport = CountedTransport()
    await connection.open(asked)
    transport.writes = 0
    for message in messages:
        await connection.say(message)
    await connection.end()
    return transport.written, transport.writes


@pytest.mark.parametrize(("asked", "writes"), [(b"", 1), (DEFLATED, 3)], ids=["plain", "deflated"])
async def test_the_bytes_are_those_of_one_by_one(asked: bytes, writes: int) -> None:
    """One write for all, unless they are compressed, which uvicorn's class does one by one."""
    one_by_one = await written([{"type": "websocket.send", "text": text} for text in SAID], asked)
    together = await written([{"type": SEND_TEXTS, "texts": SAID}], asked)
    assert (together[0], one_by_one[1], together[1]) == (one_by_one[0], 3, writes)


async def test_they_wait_until_the_socket_takes_more_and_fail_when_it_is_lost() -> None:
    connection = Connection(FrameProtocol)
    await connection.open()
    connection.protocol.pause_writing()
    sending = asyncio.ensure_future(connection.say({"type": SEND_TEXTS, "texts": ["x", "y"]}))
    await connection.settle()
    assert connection.transport.written == b""
    connection.protocol.resume_writing()
    await sending
    assert connection.transport.written == b"\x81\x01x\x81\x01y"
    connection.protocol.connection_lost(None)
    with pytest.raises(OSError):  # noqa: PT011 - uvicorn's own, without a text
        await connection.say({"type": SEND_TEXTS, "texts": ["x"]})
    await connection.end()


async def test_no_more_is_read_than_was_said_until_all_may_be() -> None:
    """What is half-sent by then stays with the socket, and is a message when the rest of it is read."""
    connection = Connection(FrameProtocol)
    await connection.open()
    await limit_reading(connection.protocol.scope, connection.say, 100)
    frame = Frame(Opcode.TEXT, b"x" * 200).serialize(mask=True)
    await connection.feed(frame[:99])
    assert connection.transport.is_reading()
    await connection.feed(frame[99:150])
    assert not connection.transport.is_reading()
    # Who asks for more is told that there will be none, and may go on.
    assert connection.received == [{"type": READING}]
    connection.received.clear()
    await limit_reading(connection.protocol.scope, connection.say, None)
    assert connection.transport.is_reading()
    await connection.feed(frame[150:], frame)
    assert [message["text"] for message in connection.received] == ["x" * 200] * 2
    await connection.end()


async def test_taking_a_message_does_not_read_on_beyond_the_limit() -> None:
    connection = Connection(FrameProtocol)
    await connection.open()
    await limit_reading(connection.protocol.scope, connection.say, 10)
    await connection.feed(Frame(Opcode.TEXT, b"x" * 200).serialize(mask=True))
    assert [message["type"] for message in connection.received] == ["websocket.receive", READING]
    assert not connection.transport.is_reading()
    await connection.end()


async def test_a_server_without_it_is_asked_for_nothing() -> None:
    connection = Connection(WebSocketsSansIOProtocol)
    await connection.open()
    assert READING not in connection.protocol.scope["extensions"]
    await limit_reading(connection.protocol.scope, connection.say, 10)
    await connection.feed(Frame(Opcode.TEXT, b"x" * 20).serialize(mask=True))
    assert connection.transport.is_reading()
    await connection.end()
