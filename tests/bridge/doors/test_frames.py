"""uvicorn's frames, faster: the same messages and answers as its own class, however a stream is cut or wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Close, Frame, Opcode

from bridge.doors.frames import FRAME_COST, HIGH_WATER, MAX_FRAGMENTS, FrameProtocol, Inbox, frame_bounds, text_header

REQUEST = (
    b"GET /ipc/pulse?a=b HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
MAX_SIZE = 70_000
TEXT = Frame(Opcode.TEXT, b"hello")

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class RecordedTransport(asyncio.Transport):
    """A socket that keeps what is written to it, and reads only what the test gives to the protocol."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self._is_reading = True
        self._is_closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True

    def is_reading(self) -> bool:
        return self._is_reading

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        self._is_closing = True


class Connection:
    """A protocol with an application that keeps what it is told, and says what the test wants."""

    def __init__(self, kind: type[WebSocketsSansIOProtocol], *, is_reader: bool = True, deflates: bool = False) -> None:
        self.transport = RecordedTransport()
        self.received: list[Message] = []
        self.say: Send
        self._is_reader = is_reader
        self._may_read = asyncio.Event()
        config = Config(self._serve, ws_max_size=MAX_SIZE, ws_per_message_deflate=deflates, log_level="critical")
        config.load()
        # Unwrapped: what uvicorn puts around an application does not matter here.
        config.loaded_app = self._serve
        self.protocol = kind(config=config, server_state=ServerState(), app_state={})

    async def open(self, headers: bytes = b"") -> None:
        self.protocol.connection_made(self.transport)
        self.protocol.data_received(REQUEST[:-2] + headers + b"\r\n")
        await self.settle()
        assert self.transport.written.startswith(b"HTTP/1.1 101 ")
        self.transport.written = b""

    async def feed(self, *pieces: bytes) -> None:
        """Let the socket bring something, as long as it is not closed."""
        for piece in pieces:
            if not self.transport.is_closing():
                self.protocol.data_received(piece)
                await self.settle()

    async def settle(self) -> None:
        """Let the application read what is there."""
        for _ in range(3):
            await asyncio.sleep(0)

    async def read(self) -> None:
        """Let an application that did not read begin."""
        self._may_read.set()
        await self.settle()

    async def end(self) -> None:
        await self.read()
        if self.protocol in self.protocol.connections:
            self.protocol.connection_lost(None)
        await asyncio.wait_for(asyncio.gather(*self.protocol.tasks), 5)

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        assert scope["query_string"] == b"a=b"
        self.say = send
        await receive()
        await send({"type": "websocket.accept"})
        if not self._is_reader:
            await self._may_read.wait()
        while (message := await receive())["type"] != "websocket.disconnect":
            self.received.append(message)
        self.received.append({key: message.get(key) for key in ("type", "code")})


def wire(frame: Frame) -> bytes:
    return frame.serialize(mask=True)


def unmasked(frame: Frame) -> bytes:
    return frame.serialize(mask=False)


def raw(first: int, payload: bytes, length: bytes | None = None) -> bytes:
    """Return a masked frame with whatever is wrong about it."""
    return bytes([first]) + (length or bytes([0x80 | len(payload)])) + bytes(4) + payload


BAD = {
    "unmasked": unmasked(TEXT),
    "unmasked and empty": unmasked(Frame(Opcode.PING, b"")),
    "unmasked and only begun": unmasked(TEXT)[:2],
    "first reserved bit": raw(0xC1, b"x"),
    "second reserved bit": raw(0xA1, b"x"),
    "third reserved bit": raw(0x91, b"x"),
    "unknown opcode": raw(0x83, b"x"),
    "unknown control opcode": raw(0x8B, b"x"),
    "no UTF-8": raw(0x81, b"\xff"),
    "half a character": raw(0x81, "\N{SNOWMAN}".encode()[:2]),
    "half of a surrogate pair": raw(0x81, b"\xed\xa0\x80"),
    "continuation of nothing": wire(Frame(Opcode.CONT, b"x")),
    "text in a fragmented message": wire(Frame(Opcode.TEXT, b"x", fin=False)) + wire(TEXT),
    "close in a fragmented message": wire(Frame(Opcode.TEXT, b"x", fin=False)) + wire(Frame(Opcode.CLOSE, b"")),
    "fragmented ping": raw(0x09, b"x"),
    "ping too long": raw(0x89, b"x" * 126, b"\xfe\x00\x7e"),
    "close too long": raw(0x88, b"\x03\xe8" + b"x" * 124, b"\xfe\x00\x7e"),
    "close with half a code": raw(0x88, b"\x03"),
    "close with a code that is reserved": raw(0x88, b"\x03\xed"),
    "close with a code out of range": raw(0x88, b"\x00\x01"),
    "close with a reason that is no UTF-8": raw(0x88, b"\x03\xe8\xff"),
    "too large, 64-bit": raw(0x81, b"", b"\xff" + (MAX_SIZE + 1).to_bytes(8)),
    "larger than any memory": raw(0x81, b"", b"\xff" * 9),
    "fragments that are too large together": wire(Frame(Opcode.TEXT, b"x" * MAX_SIZE, fin=False))
    + wire(Frame(Opcode.CONT, b"x")),
}
GOOD = {
    "text": wire(TEXT),
    "empty text": wire(Frame(Opcode.TEXT, b"")),
    "text with a 16-bit length": wire(Frame(Opcode.TEXT, b"x" * 126)),
    "text with a 64-bit length": wire(Frame(Opcode.TEXT, "\N{SNOWMAN}".encode() * 22_000)),
    "the largest text": wire(Frame(Opcode.TEXT, b"x" * MAX_SIZE)),
    "a length longer than it need be": raw(0x81, b"x", b"\xff" + (1).to_bytes(8)),
    "binary": wire(Frame(Opcode.BINARY, b"\xff")),
    "ping": wire(Frame(Opcode.PING, b"are you there")),
    "pong": wire(Frame(Opcode.PONG, b"")),
    "fragments": wire(Frame(Opcode.TEXT, "\N{SNOWMAN}".encode()[:1], fin=False))
    + wire(Frame(Opcode.CONT, b"", fin=False))
    + wire(Frame(Opcode.PING, b"between"))
    + wire(Frame(Opcode.CONT, "\N{SNOWMAN}".encode()[1:])),
    "close": wire(Frame(Opcode.CLOSE, Close(4000, "bye").serialize())),
    "close without a code": wire(Frame(Opcode.CLOSE, b"")),
}


async def heard(
    kind: type[WebSocketsSansIOProtocol], pieces: Sequence[bytes], headers: bytes = b""
) -> tuple[list[Message], bytes, bool]:
    """Return what an application was told, what was answered and whether the socket was closed."""
    connection = Connection(kind, deflates=bool(headers))
    await connection.open(headers)
    await connection.feed(*pieces)
    closed, answered = connection.transport.is_closing(), connection.transport.written
    await connection.end()
    return connection.received, answered, closed


def cut(stream: bytes, places: Sequence[int]) -> list[bytes]:
    """Cut a stream at some places."""
    ends = [*sorted({place % (len(stream) + 1) for place in places}), len(stream)]
    return [stream[start:end] for start, end in zip([0, *ends], ends, strict=False) if end > start]


@pytest.mark.parametrize("frames", [*GOOD.values(), *BAD.values()], ids=[*GOOD, *BAD])
@pytest.mark.parametrize("size", [1, 7, 1_000_000])
async def test_a_frame_means_what_it_means_to_uvicorns_own_class(frames: bytes, size: int) -> None:
    """Alone and after others, in one piece and in many."""
    expected = await heard(WebSocketsSansIOProtocol, [wire(TEXT), frames])
    if len(frames) > 1000 and size == 1:
        size = 997
    stream = wire(TEXT) + frames
    assert await heard(FrameProtocol, [stream[at : at + size] for at in range(0, len(stream), size)]) == expected


@given(
    st.lists(st.sampled_from([*GOOD.items(), *BAD.items()]), max_size=6),
    st.lists(st.integers(0, 200_000), max_size=8),
)
def test_a_stream_means_the_same_however_it_is_cut(parts: list[tuple[str, bytes]], places: list[int]) -> None:
    """uvicorn's class gets it frame by frame: what it read before an error is lost with what came with the error."""
    frames = [frame for _, frame in parts]
    pieces = cut(b"".join(frames), places)

    async def compare() -> None:
        assert await heard(FrameProtocol, pieces) == await heard(WebSocketsSansIOProtocol, frames)

    asyncio.run(compare())


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=3))
def test_garbage_means_the_same(garbage: bytes, places: list[int]) -> None:
    async def compare() -> None:
        single = [garbage[at : at + 1] for at in range(len(garbage))]
        expected = await heard(WebSocketsSansIOProtocol, [wire(TEXT), *single])
        assert await heard(FrameProtocol, [wire(TEXT), *cut(garbage, places)]) == expected

    asyncio.run(compare())


async def test_compressed_frames_are_uvicorns_own() -> None:
    """Where permessage-deflate was agreed on, it reads and writes."""
    asked = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
    compressed = raw(0xC1, bytes.fromhex("f248cdc9c907 00"))
    expected = await heard(WebSocketsSansIOProtocol, [compressed, wire(TEXT)], asked)
    assert expected[0][:2] == [{"type": "websocket.receive", "text": text} for text in ("Hello", "hello")]
    assert await heard(FrameProtocol, [compressed + wire(TEXT)], asked) == expected
    answers = []
    for kind in (FrameProtocol, WebSocketsSansIOProtocol):
        connection = Connection(kind, deflates=True)
        await connection.open(asked)
        await connection.say({"type": "websocket.send", "text": "x" * 1000})
        answers.append(connection.transport.written)
        await connection.end()
    assert answers[0] == answers[1]
    assert len(answers[0]) < 100


@pytest.mark.parametrize(
    "message",
    [
        *({"type": "websocket.send", "text": "x" * length} for length in (0, 1, 125, 126, 65_535, 65_536)),
        {"type": "websocket.send", "text": "\N{SNOWMAN}" * 42},
        {"type": "websocket.send", "bytes": b"\xff"},
        {"type": "websocket.send", "text": None, "bytes": b"\xff"},
        {"type": "websocket.send", "text": "x", "bytes": b"\xff"},
        {"type": "websocket.close", "code": 4400, "reason": "no"},
    ],
    ids=lambda message: f"{message['type']} {len(str(message))}",
)
async def test_what_is_sent_is_the_same(message: Message) -> None:
    written = []
    for kind in (FrameProtocol, WebSocketsSansIOProtocol):
        connection = Connection(kind)
        await connection.open()
        await connection.say(message)
        written.append(connection.transport.written)
        await connection.end()
    assert written[0] == written[1] != b""


async def test_sending_waits_until_the_socket_takes_more() -> None:
    connection = Connection(FrameProtocol)
    await connection.open()
    connection.protocol.pause_writing()
    sending = asyncio.ensure_future(connection.say({"type": "websocket.send", "text": "x"}))
    await connection.settle()
    assert not sending.done()
    assert connection.transport.written == b""
    connection.protocol.resume_writing()
    await sending
    assert connection.transport.written == b"\x81\x01x"
    await connection.end()


async def test_sending_fails_when_the_socket_was_lost_meanwhile() -> None:
    connection = Connection(FrameProtocol)
    await connection.open()
    connection.protocol.pause_writing()
    sending = asyncio.ensure_future(connection.say({"type": "websocket.send", "text": "x"}))
    await connection.settle()
    connection.protocol.connection_lost(None)
    with pytest.raises(OSError, match=r"^$"):
        await sending
    await connection.end()


async def test_an_application_that_does_not_read_stops_the_reading() -> None:
    """However small the frames are and whatever they come with; it gets all of them when it reads again."""
    connection = Connection(FrameProtocol, is_reader=False)
    await connection.open()
    count = 20_000
    numbers = [wire(Frame(Opcode.TEXT, b"%d" % number)) for number in range(count)]
    closing = wire(Frame(Opcode.CLOSE, b""))
    await connection.feed(b"".join(numbers) + closing[:3])
    assert not connection.transport.is_reading()
    inbox = connection.protocol.queue
    assert isinstance(inbox, Inbox)
    assert len(inbox) * FRAME_COST <= HIGH_WATER
    await connection.read()
    for _ in range(100):
        await connection.settle()
    assert connection.transport.is_reading()
    await connection.feed(closing[3:])
    await connection.end()
    texts = [message["text"] for message in connection.received[:-1]]
    assert texts == [str(number) for number in range(count)]
    assert connection.received[-1] == {"type": "websocket.disconnect", "code": 1005}


async def test_an_answer_to_a_close_behind_what_nobody_reads_is_found() -> None:
    """The application closes without having read; the client's answer is already there."""
    connection = Connection(FrameProtocol, is_reader=False)
    await connection.open()
    await connection.feed(wire(TEXT) * 5000 + wire(Frame(Opcode.CLOSE, Close(4400, "").serialize())))
    assert not connection.transport.is_closing()
    await connection.say({"type": "websocket.close", "code": 4400})
    assert connection.transport.is_closing()
    await connection.end()


async def test_a_flood_of_pings_from_one_who_does_not_read_is_answered_once() -> None:
    connection = Connection(FrameProtocol)
    await connection.open()
    connection.protocol.pause_writing()
    await connection.feed(b"".join(wire(Frame(Opcode.PING, b"%d" % number)) for number in range(1000)))
    assert connection.transport.written == b""
    connection.protocol.resume_writing()
    assert connection.transport.written == unmasked(Frame(Opcode.PONG, b"999"))
    connection.protocol.pause_writing()
    connection.protocol.resume_writing()
    assert connection.transport.written == unmasked(Frame(Opcode.PONG, b"999"))
    await connection.end()


async def test_a_message_of_endless_empty_fragments_is_refused_with_1009() -> None:
    empty = wire(Frame(Opcode.CONT, b"", fin=False))
    received, answered, closed = await heard(
        FrameProtocol, [wire(Frame(Opcode.TEXT, b"", fin=False)), empty * MAX_FRAGMENTS, empty * 10]
    )
    assert closed
    assert answered == unmasked(Frame(Opcode.CLOSE, Close(1009, f"more than {MAX_FRAGMENTS} fragments").serialize()))
    assert received == [{"type": "websocket.disconnect", "code": 1009}]


async def test_frames_that_do_not_wait_for_the_handshake_are_read_after_it() -> None:
    """Even when the handshake is complete in the middle of one."""
    connection = Connection(FrameProtocol)
    frame = wire(TEXT)
    connection.protocol.connection_made(connection.transport)
    connection.protocol.data_received(REQUEST)
    connection.protocol.data_received(frame + frame[:4])
    await connection.settle()
    await connection.feed(frame[4:], frame)
    await connection.end()
    assert [message.get("text") for message in connection.received[:-1]] == ["hello"] * 3


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 1 << 20])
def test_bounds_and_headers_are_those_of_rfc_6455(length: int) -> None:
    """What the header says of a frame, from the byte on that tells it; before, how much more it takes."""
    frame = b"???" + wire(Frame(Opcode.TEXT, b"x" * length))
    start, stop = frame_bounds(frame, 3)
    assert (stop - start, stop) == (length, len(frame))
    for size in range(3, len(frame[:start]) + 1):
        least = frame_bounds(frame[:size], 3)[1]
        assert size < least <= stop or size == least == stop
    assert text_header(length) + b"x" * length == unmasked(Frame(Opcode.TEXT, b"x" * length))
