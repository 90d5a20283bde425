"""A WebSocket protocol for uvicorn that takes whole text frames by itself: ``--ws bridge.doors.frames:FrameProtocol``.

uvicorn's own one (``websockets-sansio``) runs a generator, an enum and a dataclass for each frame, and stops and starts
the reading of the socket for each. Here a whole, masked, unfragmented text frame, which is what services send, costs
a few slices, and an outgoing one a header before its text. All else is given to uvicorn's class frame by frame, so
that the handshake, fragments, control frames and every refusal are as they are there.
"""

import asyncio
import struct
import sys
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.speedups import apply_mask

from bridge.doors.extensions import READING, SEND_TEXTS, TEXTS

# The first two bytes of a frame: FIN with the opcode of text, and MASK with the length (RFC 6455 section 5.2).
FINAL_TEXT: Final = 0x81
OPCODE: Final = 0x0F
KNOWN_OPCODES: Final = frozenset(Opcode)
MASKED: Final = 0x80
LENGTH_16: Final = 126
LENGTH_64: Final = 127
MASK_BYTES: Final = 4
# Reading pauses when so much waits for the application; a frame counts as its bytes and what its message costs beside.
HIGH_WATER: Final = 64 * 1024
FRAME_COST: Final = 64
# uvicorn bounds the bytes of a fragmented message, but empty fragments have none.
MAX_FRAGMENTS: Final = 16 * 1024

_SHORT_HEADERS: Final = tuple(bytes((FINAL_TEXT, length)) for length in range(LENGTH_16))
_pack_16 = struct.Struct("!BBH").pack
_pack_64 = struct.Struct("!BBQ").pack


class FrameProtocol(WebSocketsSansIOProtocol):
    """One connection of uvicorn's, faster for the frames that most of the traffic is made of."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._inbox = Inbox()
        self.queue = self._inbox  # type: ignore[assignment]  # it is used as a queue in two of its methods only
        # What has come but is not taken apart, from the beginning of a frame on, and how much that must be to go on.
        self._rest = bytearray()
        self._needed = 0
        # The weight of what waits for the application, since nothing waited.
        self._waiting = 0
        # Once true, what comes is for uvicorn's class to take apart.
        self._is_passing = False
        # How many bytes may still be read, None for all that come; and whether the application knows that none may.
        self._may_hear: int | None = None
        self._is_told = False
        self._late_pong = b""

    def handle_connect(self, event: Request) -> None:
        """Begin the application, which may use our extensions."""
        super().handle_connect(event)
        if self.tasks:
            self.scope["extensions"] |= {TEXTS: {}, READING: {}}

    # Reading

    def data_received(self, data: bytes) -> None:
        """Take what has come from the socket."""
        if self._may_hear is not None:
            self._may_hear -= len(data)
            if self._hears_no_more():
                self._pause_reading()
                self._inbox.wake()
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return
            data, self._rest = bytes(self._rest), bytearray()
        if self._is_passing or self.conn.state is not OPEN:
            # Frames that come before the handshake is complete or after a close frame, but not the handshake itself.
            self._is_passing = self.handshake_initiated
            super().data_received(data)
        else:
            self._split(data)

    async def receive(self) -> Any:
        """Return the next message for the application."""
        while not self._inbox:
            if self._hears_no_more() and not self._is_told:
                self._is_told = True
                return {"type": READING}
            await self._inbox.arrival()
        message = self._inbox.popleft()
        if not self._inbox:
            self._waiting = 0
            if self.read_paused:
                self._read_on()
        return message

    def _split(self, data: bytes) -> None:
        """Take the frames one by one, as many as may wait."""
        at, size = 0, len(data)
        is_plain = self._is_plain()
        while at < size:
            if self._waiting > HIGH_WATER:
                self._keep(data[at:], needed=0)
                self._pause_reading()
                return
            start, stop = frame_bounds(data, at)
            if stop > size:
                self._wait_for_more(data[at:], stop - at, stop - start)
                return
            is_text = is_plain and data[at] == FINAL_TEXT and data[at + 1] & MASKED
            if not (is_text and self._take_text(data, start, stop)):
                super().data_received(data[at:stop])
                is_plain = self._is_plain()
                if self.conn.state is not OPEN:
                    # Closed by the client or refused; what comes after that is not read.
                    self._is_passing = True
                    return
            at = stop

    def _take_text(self, data: bytes, start: int, stop: int) -> bool:
        if stop - start > (self.conn.max_message_size or sys.maxsize):
            return False
        try:
            text = apply_mask(data[start:stop], data[start - MASK_BYTES : start]).decode()
        except UnicodeDecodeError:
            return False
        self._waiting += stop - start + FRAME_COST
        self._inbox.put_nowait({"type": "websocket.receive", "text": text})
        return True

    def _wait_for_more(self, begun: bytes, needed: int, length: int) -> None:
        """Wait for the rest of a frame, unless its header is enough to refuse it."""
        is_known = len(begun) > 1
        limit = self.conn.max_message_size or sys.maxsize
        if is_known and (length > limit or begun[0] & OPCODE not in KNOWN_OPCODES or not begun[1] & MASKED):
            self._is_passing = True
            super().data_received(begun)
        else:
            self._keep(begun, needed=needed)

    def _keep(self, rest: bytes, *, needed: int) -> None:
        self._rest += rest
        self._needed = needed

    def _is_plain(self) -> bool:
        """Tell whether a text frame may come now that is a message by itself."""
        return self.conn.state is OPEN and self.conn.current_size is None and not self.conn.extensions

    def _hears_no_more(self) -> bool:
        return self._may_hear is not None and self._may_hear <= 0

    def _pause_reading(self) -> None:
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def _read_on(self) -> None:
        if self._rest and not self._needed:
            self.data_received(b"")
        if self.read_paused and not self._inbox and not self._hears_no_more():
            self.read_paused = False
            self.transport.resume_reading()

    # What uvicorn's class has taken apart

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment, of as many as a message may have."""
        if len(self.frames) < MAX_FRAGMENTS:
            super().handle_cont(event)
        elif not self.close_sent:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, f"more than {MAX_FRAGMENTS} fragments")
            self.handle_parser_exception()

    def handle_ping(self) -> None:
        """Answer a ping; one who does not read gets the last answer alone (RFC 6455 section 5.5.3)."""
        pong = b"".join(self.conn.data_to_send())
        if self.writable.is_set():
            self.transport.write(pong)
        elif pong:
            self._late_pong = pong

    def resume_writing(self) -> None:
        """Hear that the socket takes more."""
        super().resume_writing()
        if self._late_pong and not self.close_sent:
            self.transport.write(self._late_pong)
        self._late_pong = b""

    # Writing

    async def send(self, message: Any) -> None:
        """Send what the application says, when the socket takes it."""
        if message["type"] == SEND_TEXTS:
            await self._send_texts(message["texts"])
            return
        text = message.get("text")
        if text is None or message.get("bytes") is not None or message["type"] != "websocket.send":
            if message["type"] == READING:
                self._may_hear, self._is_told = message["limit"], False
                self._read_on()
                return
            await super().send(message)
            if self.close_sent:
                # The answer to the close frame may be among what was not taken apart.
                self._read_on()
            return
        if not self.writable.is_set():
            await self.writable.wait()
        if self._may_write():
            payload = text.encode()
            self.transport.write(text_header(len(payload)) + payload)
        else:
            await super().send(message)

    async def _send_texts(self, texts: Sequence[str]) -> None:
        if not self.writable.is_set():
            await self.writable.wait()
        if self._may_write():
            parts: list[bytes] = []
            for text in texts:
                payload = text.encode()
                parts += (text_header(len(payload)), payload)
            self.transport.write(b"".join(parts))
        else:
            for text in texts:
                await super().send({"type": "websocket.send", "text": text})

    def _may_write(self) -> bool:
        return not (self.close_sent or self.disconnected or self.conn.state is not OPEN or self.conn.extensions)


class Inbox(deque[Any]):
    """What waits for the application, of which one task takes it; `FrameProtocol` bounds it."""

    _waiter: "asyncio.Future[None] | None" = None

    def put_nowait(self, message: Any) -> None:
        """Add a message."""
        self.append(message)
        self.wake()

    def wake(self) -> None:
        """Have whoever waits look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def arrival(self) -> None:
        """Wait until there is a message, or another reason to look."""
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter


def frame_bounds(data: bytes, at: int) -> tuple[int, int]:
    """Return where the payload of the masked frame at an index begins and ends.

    An end beyond the data says how much has to come before more can be told; the beginning may not be known then.
    """
    have = len(data) - at
    if have < 2:  # noqa: PLR2004 - bytes that every frame has
        return at, at + 2
    length = data[at + 1] & ~MASKED
    if length < LENGTH_16:
        start = at + 2 + MASK_BYTES
    elif length == LENGTH_16:
        start = at + 4 + MASK_BYTES
        if have < 4:  # noqa: PLR2004 - bytes to the end of a 16-bit length
            return at, start
        length = int.from_bytes(data[at + 2 : at + 4])
    else:
        start = at + 10 + MASK_BYTES
        if have < 10:  # noqa: PLR2004 - bytes to the end of a 64-bit length
            return at, start
        length = int.from_bytes(data[at + 2 : at + 10])
    return start, start + length


def text_header(length: int) -> bytes:
    """Return what comes before an unmasked text of so many bytes."""
    if length < LENGTH_16:
        return _SHORT_HEADERS[length]
    if length < 1 << 16:
        return _pack_16(FINAL_TEXT, LENGTH_16, length)
    return _pack_64(FINAL_TEXT, LENGTH_64, length)
