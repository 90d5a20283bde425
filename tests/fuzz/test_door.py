"""The door of a live bridge under many frames that are nearly right, over several sockets at once."""

import asyncio
import random
import time
from collections import Counter
from itertools import islice
from typing import Final

import pytest

from ipc.protocol import codec
from ipc.protocol.codes import CloseCode, ErrorCode
from ipc.protocol.limits import Limits
from tests.clients import Client, attached
from tests.fuzz.budget import ASKED, SEED, frames
from tests.fuzz.mutations import Frames
from tests.fuzz.sockets import LOST, RawSocket, raw_socket, text_frame
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

SOCKETS: Final = 4
SERVICES: Final = ("herald", "atlas", "vault", "herald")
MOST_AT_ONCE: Final = 40
ASKED_EVERY_S: Final = 0.2
# A frame that cannot be taken apart, text that is no UTF-8, what is too large, and who reads too slowly.
FORESEEN: Final = {CloseCode.BAD_FRAME, CloseCode.TOO_LARGE, CloseCode.TOO_SLOW, 1007, 1009, LOST}
# What is said before a socket is closed with a code; who reads too slowly gets the code alone, since what waits for it
# is dropped.
TOLD: Final[dict[int, str]] = {
    CloseCode.BAD_FRAME: ErrorCode.INVALID_JSON,
    CloseCode.TOO_LARGE: ErrorCode.FRAME_TOO_LARGE,
}
LIMITS: Final = Limits()


class Tally:
    """What was sent and what came of it."""

    def __init__(self) -> None:
        self.frames = 0
        self.errors: Counter[str] = Counter()
        self.closed: Counter[int] = Counter()
        self._began = time.monotonic()

    def __str__(self) -> str:
        took_s = time.monotonic() - self._began
        return f"{self.frames} frames in {took_s:.0f} s; errors: {dict(self.errors)}; closed: {dict(self.closed)}"


def refusals(sent: list[str | bytes]) -> tuple[int, bool]:
    """Return how many messages the codec refuses, up to a frame that ends the socket, and whether one does."""
    count = 0
    for frame in sent:
        try:
            text = frame if isinstance(frame, str) else frame.decode()
            messages = codec.decode_client_frame(text, LIMITS)
        except (codec.FrameError, UnicodeDecodeError):
            return count, True
        count += sum(isinstance(message, codec.Refused) for message in messages)
    return count, False


async def fuzz(server: ServerProcess, number: int, count: int, tally: Tally) -> None:
    """Send frames over one socket after the other, in bursts."""
    supply = islice(Frames(SEED + number), count)
    chance = random.Random(SEED + number)  # noqa: S311 - to be the same each time
    bursts = iter(lambda: list(islice(supply, chance.randint(1, MOST_AT_ONCE))), [])
    is_over = False
    while not is_over:
        async with raw_socket(server, SERVICES[number]) as socket:
            is_over = True
            for burst in bursts:
                if not await answers(socket, burst, tally):
                    is_over = False
                    break


async def watch(neighbour: Client) -> None:
    """See that somebody else is answered all the while, whatever one frame takes."""
    while True:
        assert await neighbour.is_well()
        await asyncio.sleep(ASKED_EVERY_S)


async def answers(socket: RawSocket, burst: list[str | bytes], tally: Tally) -> bool:
    """Send a burst, see that it is answered as it has to be, and return whether the socket is open still."""
    socket.errors.clear()
    socket.write(b"".join(map(text_frame, burst)))
    expected, ends = refusals(burst)
    is_open = await socket.is_open_still()
    tally.frames += len(burst)
    tally.errors.update(socket.errors)
    if is_open:
        assert not ends, burst
        assert len(socket.errors) >= expected, (expected, socket.errors, burst)
        return True
    code = socket.close_code or LOST
    tally.closed[code] += 1
    assert code in FORESEEN, (code, socket.errors, burst)
    assert ends or code == CloseCode.TOO_SLOW, (code, socket.errors, burst)
    assert TOLD.get(code) in {None, *socket.errors}, (code, socket.errors, burst)
    return False


async def test_no_frame_breaks_the_door(bridge: ServerProcess) -> None:
    """Each refused message is answered, each socket is closed with a code that is foreseen, a neighbour goes on."""
    tally, count = Tally(), frames(5_000)
    async with attached(bridge, "setup") as neighbour, asyncio.TaskGroup() as beside:
        watching = beside.create_task(watch(neighbour))
        async with asyncio.TaskGroup() as group:
            for number in range(SOCKETS):
                group.create_task(fuzz(bridge, number, count // SOCKETS, tally))
        watching.cancel()
    async with attached(bridge, "setup") as after:
        assert await after.is_well()
    if ASKED:
        print(f"\n{tally}, seed {SEED}")  # noqa: T201 - what `make fuzz` is run for
