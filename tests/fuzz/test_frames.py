"""WebSocket frames as no client sends them, byte by byte: the socket answers or ends, and no neighbour notices."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final

import pytest
from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol, Side, State

from tests.clients import attached
from tests.fuzz.budget import ASKED, SEED, frames
from tests.fuzz.sockets import LOST, raw_socket, text_frame
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

GOOD: Final = b'{"type":"ping","id":"p"}'
OPCODES: Final = tuple(range(16))
# What RFC 6455 section 7.4.1 has for a client that breaks its rules, and ours for what is in its frames.
FORESEEN: Final = {1000, 1001, 1002, 1003, 1005, 1007, 1009, LOST, 4400, 4413, 4429}


class Streams:
    """An endless supply of streams of frames, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - to be the same each time
        self._kinds: list[tuple[Callable[[], bytes], float]] = [
            (lambda: text_frame(GOOD), 40),
            (self._fragments, 20),
            (self._control, 15),
            (self._odd, 10),
            (self._lying_length, 5),
            (self._unmasked, 3),
            (self._flipped, 5),
            (lambda: self._random.randbytes(self._random.randrange(1, 300)), 2),
        ]

    def __iter__(self) -> Iterator[list[bytes]]:
        while True:
            makers, weights = zip(*self._kinds, strict=True)
            made = self._random.choices(makers, weights, k=self._random.randint(1, 20))
            yield list(self._cut(b"".join(make() for make in made)))

    def _cut(self, stream: bytes) -> Iterator[bytes]:
        """Divide a stream as the network might."""
        at = 0
        while at < len(stream):
            size = self._random.choice((1, 2, 7, 100, 1_000, 100_000))
            yield stream[at : at + size]
            at += size

    def _pick(self, choices: Any) -> Any:
        return choices[self._random.randrange(len(choices))]

    def _header(self, first: int, length: int, *, size: int | None = None, mask: int = 0x80) -> bytes:
        """Return a header whose length may be written longer than it need be."""
        size = size or (1 if length < 126 else 2 if length < 65_536 else 8)
        if size == 1:
            return bytes([first, mask | length])
        return bytes([first, mask | (126 if size == 2 else 127)]) + length.to_bytes(size)

    def _masked(self, first: int, payload: bytes, *, size: int | None = None) -> bytes:
        key = self._random.randbytes(4)
        hidden = bytes(byte ^ key[at % 4] for at, byte in enumerate(payload))
        return self._header(first, len(payload), size=size) + key + hidden

    def _fragments(self) -> bytes:
        """A message in pieces, also empty ones, and with control frames or a piece of the wrong kind in between."""
        pieces, at = [], 0
        while at < len(GOOD):
            size = self._random.randint(0, 10)
            pieces.append(GOOD[at : at + size])
            at += size
        made = b""
        for number, piece in enumerate(pieces):
            opcode = Opcode.TEXT if number == 0 else self._pick([Opcode.CONT] * 30 + [Opcode.TEXT, Opcode.BINARY])
            is_last = number == len(pieces) - 1 and self._random.random() < 0.97
            made += self._masked(opcode | (0x80 if is_last else 0), piece)
            made += self._control() if self._random.random() < 0.1 else b""
        return made

    def _control(self) -> bytes:
        payload = self._random.randbytes(self._pick((0, 1, 2, 125)))
        return Frame(self._pick((Opcode.PING, Opcode.PONG)), payload).serialize(mask=True)

    def _odd(self) -> bytes:
        """Any opcode with any of the bits, and lengths in any of their forms."""
        first = self._pick(OPCODES) | self._pick((0x80, 0x80, 0x80, 0x00, 0xC0, 0xA0, 0x90))
        return self._masked(first, GOOD if self._random.random() < 0.5 else b"", size=self._pick((None, None, 2, 8)))

    def _lying_length(self) -> bytes:
        length = self._pick((126, 65_535, 65_536, 2**31, 2**63, 2**64 - 1))
        return self._header(0x81, length, size=2 if length < 65_536 else 8) + bytes(4) + GOOD

    def _unmasked(self) -> bytes:
        return Frame(Opcode.TEXT, GOOD).serialize(mask=False)

    def _flipped(self) -> bytes:
        frame = bytearray(text_frame(GOOD))
        frame[self._random.randrange(len(frame))] ^= 1 << self._random.randrange(8)
        return bytes(frame)


def is_complete(stream: bytes) -> bool:
    """Tell by another implementation whether a stream ends where a frame does, or is wrong before its end."""
    reference = Protocol(Side.SERVER, state=State.OPEN, max_size=2 * 1024 * 1024)
    reference.receive_data(stream)
    frames = [frame for frame in reference.events_received() if isinstance(frame, Frame)]
    reference.receive_data(text_frame(GOOD))
    return reference.parser_exc is not None or bool(reference.events_received()) or is_closed(frames)


def is_closed(frames: list[Frame]) -> bool:
    return any(frame.opcode is Opcode.CLOSE for frame in frames)


async def test_no_bytes_break_the_frames(bridge: ServerProcess) -> None:
    """What is complete is answered, or its socket is closed; what is not is forgotten with its socket."""
    met: Counter[str] = Counter()
    async with attached(bridge, "setup") as neighbour:
        for number, pieces in enumerate(islice(Streams(SEED), frames(400, share=0.02))):
            async with raw_socket(bridge, "herald") as socket:
                for piece in pieces:
                    socket.write(piece)
                    await socket.sent()
                if not is_complete(b"".join(pieces)):
                    met["waiting"] += 1
                elif await socket.is_open_still():
                    met["answered"] += 1
                else:
                    met["closed"] += 1
                    assert socket.close_code in FORESEEN, (socket.close_code, pieces)
            if not number % 10:
                assert await neighbour.is_well()
        assert await neighbour.is_well()
    assert len(met) == 3, met
    if ASKED:
        print(f"\n{met.total()} streams of up to 20 frames: {dict(met)}, seed {SEED}")  # noqa: T201 - what it is run for
