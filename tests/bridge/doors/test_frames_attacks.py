"""Frames that no client should send, behind each server: their socket is closed, and no neighbour notices."""

import asyncio
import json
import resource
from pathlib import Path

import pytest
from websockets.frames import Close, Frame, Opcode

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.clients import Client, attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

PING = b'{"type":"ping","id":"p"}'
MEGABYTE = 1024 * 1024
HARD_LIMIT = 2 * MEGABYTE
CLOSE = 0x88


def masked(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


def raw(first: int, length: bytes, payload: bytes) -> bytes:
    """Return a frame with whatever is wrong about it, masked with zeros."""
    return bytes([first]) + length + bytes(4) + payload


REFUSED = {
    "unmasked": (Frame(Opcode.TEXT, PING).serialize(mask=False), 1002),
    "a reserved bit": (raw(0xA1, b"\x81", b"x"), 1002),
    "an unknown opcode": (raw(0x83, b"\x81", b"x"), 1002),
    "a continuation of nothing": (masked(Opcode.CONT, PING), 1002),
    "text in a fragmented message": (masked(Opcode.TEXT, b"{", fin=False) + masked(Opcode.TEXT, PING), 1002),
    "a control frame too long": (raw(0x89, b"\xfe\x00\x7e", b"x" * 126), 1002),
    "a fragmented control frame": (raw(0x09, b"\x81", b"x"), 1002),
    "a close with an invalid code": (masked(Opcode.CLOSE, b"\x03\xed"), 1002),
    "a close with half a code": (raw(0x88, b"\x81", b"\x03"), 1002),
    "text that is no UTF-8": (masked(Opcode.TEXT, b'{"type":"\xff"}'), 1007),
    "a header that says too much": (raw(0x81, b"\xff" + (1 << 40).to_bytes(8), b""), 1009),
    "fragments that are too large together": (
        masked(Opcode.TEXT, b" " * HARD_LIMIT, fin=False) + masked(Opcode.CONT, b" "),
        1009,
    ),
}


async def write(client: Client, data: bytes) -> None:
    """Write to the socket what websockets would not."""
    client.connection.transport.write(data)
    await asyncio.sleep(0)


@pytest.mark.parametrize(("frames", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_frame_that_breaks_the_rules_ends_its_socket_alone(
    bridge: ServerProcess, frames: bytes, code: int
) -> None:
    async with attached(bridge, "payments") as hostile, attached(bridge, "payments") as neighbour:
        await write(hostile, frames)
        # daphne answers a close frame that is wrong with nothing, and drops the connection.
        assert await hostile.close_code() in ({code, 1006} if frames[0] == CLOSE else {code})
        assert await neighbour.is_well()


async def test_a_message_in_fragments_with_pings_between_is_one_message(bridge: ServerProcess) -> None:
    async with attached(bridge, "live") as client:
        pong = await client.connection.ping(b"before")
        for piece in (PING[:1], b"", PING[1:9]):
            await write(client, masked(Opcode.CONT if piece != PING[:1] else Opcode.TEXT, piece, fin=False))
        await write(client, masked(Opcode.PING, b"between") + masked(Opcode.CONT, PING[9:]))
        assert await client.next() == {"type": "pong", "id": "p"}
        await asyncio.wait_for(pong, 15)


async def test_frames_that_come_byte_by_byte_and_many_at_once_are_all_answered(bridge: ServerProcess) -> None:
    async with attached(bridge, "live") as client:
        for byte in masked(Opcode.TEXT, PING):
            await write(client, bytes([byte]))
        await write(client, masked(Opcode.TEXT, PING) * 2000)
        assert [(await client.next())["id"] for _ in range(2001)] == ["p"] * 2001


async def test_what_came_before_a_close_is_carried_out(bridge: ServerProcess) -> None:
    """A thousand events and the close frame in one write: the events are in the log."""
    async with attached(bridge, "gallery", "burst:*", compression=None) as reader, attached(bridge, "atlas") as client:
        count = 1000
        events = [
            json.dumps({"type": "emit", "event": "burst:sent", "target": "gallery", "data": number}).encode()
            for number in range(count)
        ]
        frames = b"".join(masked(Opcode.TEXT, event) for event in events)
        await write(client, frames + masked(Opcode.CLOSE, Close(1000, "").serialize()))
        assert [event["data"] for event in await reader.events(count)] == list(range(count))


async def test_pings_of_one_who_does_not_read_are_not_kept(
    bridge_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path
) -> None:
    """Half a million: the memory of the server does not grow with them. Other protocols of uvicorn keep each answer."""
    with servers.bridge("uvicorn", bridge_valkey.url, certs_dir, tmp_path / "bridge") as bridge:
        async with attached(bridge, "filevault") as hostile, attached(bridge, "filevault") as neighbour:
            hostile.connection.transport.pause_reading()
            before = memory_bytes(bridge.process.pid)
            for _ in range(60):
                hostile.connection.transport.write(masked(Opcode.PING, b"x" * 125) * 8000)
                while hostile.connection.transport.get_write_buffer_size():
                    assert await neighbour.is_well()
            assert memory_bytes(bridge.process.pid) - before < 20 * MEGABYTE
            hostile.connection.transport.abort()
            assert await neighbour.is_well()


def memory_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
