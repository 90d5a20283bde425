"""What a hostile client tries: it gets its error or is closed, and its neighbours never notice."""

import asyncio
import contextlib
import json
import resource
import socket
import ssl
import struct
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.bridge.conftest import MakeBridge
from tests.clients import Client, attached, socket_to
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

DEEP = 100_000
HOSTILE_DATA = {
    "a raw newline in a string": '"a\nb"',
    "a raw newline and a message": '"a\n{\\"type\\":\\"event\\"}"',
    "a control character": '"\x01"',
    "an unknown escape": '"\\x"',
    "a cut escape": '"\\u12"',
    "half of a surrogate pair": '"\\ud800"',
    "a number that is no number": "NaN",
    "a number out of range": "1e999",
    "a leading zero": "01",
    "two values": "1 2",
    "an open string": '"a',
    "a wrong bracket": "[1}",
    "a comment": "1 /* */",
    "nested too deep": "[" * 65 + "]" * 65,
    "nested very deep": "[" * DEEP + "]" * DEEP,
    "objects nested very deep": '{"a":' * 50_000 + "1" + "}" * 50_000,
}
GARBAGE = (
    (b"\x16\x03\x01\xff\xff" + b"\x00" * 100, False),
    (b"\x00\xff" * 500 + b"\r\n\r\n", True),
    (b"GET /ipc/live HTTP/1.1\r\nUpgrade: websocket\r\n", True),
)


@pytest.mark.parametrize("data", HOSTILE_DATA.values(), ids=HOSTILE_DATA.keys())
@pytest.mark.parametrize("member", ["data", "meta", "x"])
async def test_json_that_would_break_a_readers_frame_never_gets_to_one(
    bridge: ServerProcess, member: str, data: str
) -> None:
    """The sender is refused, alone; the reader gets what comes before and after, in frames that parse."""
    async with attached(bridge, "setup", "hostile:*") as reader, attached(bridge, "workflow") as friend:
        await friend.ask(type="emit", event="hostile:before", ack=True)
        async with attached(bridge, "workflow") as hostile:
            await hostile.raw(f'{{"type":"emit","id":"h","event":"hostile:sent","{member}":{data}}}')
            answer = await _answer_or_nothing(hostile)
        await friend.ask(type="emit", event="hostile:after", ack=True)
        heard = [(await reader.event())["event"] for _ in range(2)]
        if heard[1] == "hostile:sent":
            # A member that the protocol does not know is not looked into, and goes nowhere.
            assert member == "x"
            assert answer is None
            heard[1] = (await reader.event())["event"]
        assert heard == ["hostile:before", "hostile:after"]
        assert await friend.is_well()


async def _answer_or_nothing(client: Client) -> dict[str, Any] | None:
    """Return the error that the client got, or None where it got none and its socket still works."""
    # A socket that is closed by then still has what it was told.
    with contextlib.suppress(ConnectionClosed):
        await client.raw('{"type":"ping","id":"p"}')
    answer = await client.next()
    if answer["type"] == "pong":
        return None
    assert answer["type"] == "error"
    assert answer["code"] in {"INVALID_JSON", "INVALID_DATA", "INVALID_MESSAGE"}
    return answer


async def test_one_frame_cannot_hold_up_the_others(bridge: ServerProcess) -> None:
    """A third of a million wrong messages in one frame: counted, refused with 4413, and not taken apart one by one."""
    async with attached(bridge, "payments") as hostile, attached(bridge, "payments") as neighbour:
        await hostile.raw("{}\n" * 349_000)
        assert (await hostile.next())["code"] == "FRAME_TOO_LARGE"
        assert await hostile.close_code() == 4413
        assert await neighbour.is_well()


async def test_text_that_is_no_utf8_is_closed_with_1007_and_no_more(bridge: ServerProcess) -> None:
    async with attached(bridge, "payments") as hostile, attached(bridge, "payments") as neighbour:
        hostile.connection.transport.write(_masked_frame(0x81, b'{"type":"\xff"}'))
        assert await hostile.close_code() == 1007
        assert await neighbour.is_well()


async def test_a_half_sent_frame_is_forgotten_with_its_socket(bridge: ServerProcess) -> None:
    """The event in it never happened, the session leaves the statistics, and the neighbours go on."""
    async with attached(bridge, "filevault", "half:*") as neighbour:
        async with attached(bridge, "moderator") as hostile:
            frame = _masked_frame(0x81, b'{"type":"emit","event":"half:sent"}' * 100)
            hostile.connection.transport.write(frame[: len(frame) // 2])
            await asyncio.to_thread(_wait_for_sessions, bridge, "exprsn-moderator", 1)
            hostile.connection.transport.abort()
        await asyncio.to_thread(_wait_for_sessions, bridge, "exprsn-moderator", 0)
        await neighbour.ask(type="emit", event="half:after", ack=True)
        assert (await neighbour.event())["event"] == "half:after"


def _wait_for_sessions(bridge: ServerProcess, service: str, count: int) -> None:
    give_up_at = time.monotonic() + 30
    while True:
        connections = bridge.get("/api/ipc/stats").json()["data"]["connections"]
        found = sum(connection["service"] == service for connection in connections)
        if found == count:
            return
        assert time.monotonic() < give_up_at, f"{service} has {found} sessions, not {count}"


@pytest.mark.parametrize(
    "path",
    ["/ipc/" + "%F0%9F%92%9B" * 16, "/ipc/%00", "/ipc/%0a%0d", "/ipc/..%2f..", "/ipc/%FF%FE", "/ipc/" + "a" * 4000],
)
async def test_a_strange_address_gets_4404_and_a_reason_that_fits(bridge: ServerProcess, path: str) -> None:
    """The name is repeated in the reason, which has at most 123 bytes, however many its characters take."""
    async with socket_to(bridge, path) as client:
        assert (await client.next())["code"] == "UNKNOWN_SERVICE"
        assert await client.close_code() == 4404


@pytest.mark.parametrize(
    "origin",
    ["null", "http://[", "http://[::1", "https://\xe4" * 40, "", "javascript:1", "//", "https://a@localhost.evil"],
)
async def test_a_strange_origin_is_not_let_in(bridge: ServerProcess, origin: str) -> None:
    """daphne's own parser refuses some of them first, with HTTP 400."""
    code = 4403
    try:
        async with socket_to(bridge, "/ipc/herald", additional_headers={"Origin": origin}) as client:
            assert (await client.next())["code"] == "FORBIDDEN"
            code = await client.close_code()
    except InvalidStatus as error:
        code = error.response.status_code
    assert code in {400, 4403}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-IPC-Pid": "9" * 11, "X-IPC-Hostname": "<script>", "X-IPC-Instance": "../../etc"},
        {"X-IPC-Pid": "-1", "X-IPC-Hostname": "a" * 254, "X-IPC-Instance": "01J0000000000000000000TES"},
        {"X-IPC-Pid": "\xb2", "X-IPC-Hostname": "-", "X-IPC-Instance": "exprsn-auth:01J0000000000000000000TEST"},
    ],
)
async def test_lies_about_the_process_are_not_shown(bridge: ServerProcess, headers: dict[str, str]) -> None:
    """A process id, a host name or an instance that cannot be one is replaced."""
    async with socket_to(bridge, "/ipc/auth", additional_headers=headers) as client:
        welcome = await client.next()
        assert headers["X-IPC-Instance"] not in welcome["instance"]
        await asyncio.to_thread(_wait_for_sessions, bridge, "exprsn-auth", 1)
        services = (await asyncio.to_thread(bridge.get, "/api/ipc/stats")).json()["data"]["services"]
        entry = next(entry for entry in services if entry["name"] == "exprsn-auth")
        assert (entry["pid"], entry["hostname"]) == (0, "127.0.0.1")
    await asyncio.to_thread(_wait_for_sessions, bridge, "exprsn-auth", 0)


async def test_a_source_cannot_be_claimed(bridge: ServerProcess) -> None:
    """Whatever a client writes, the event's source, log, position and time are the bridge's."""
    async with attached(bridge, "ca", "claim:*") as client:
        claims = {"source": "exprsn-auth", "log": "x", "position": "0-1", "ts": 1, "session": "x"}
        await client.ask(type="emit", event="claim:made", ack=True, **claims)
        event = await client.event()
    assert (event["source"], event["log"]) == ("exprsn-ca", "broadcast")
    assert event["ts"] > 1


async def test_a_reader_that_stops_is_closed_with_4429_and_its_neighbour_gets_everything(
    make_bridge: MakeBridge, bridge_valkey: Any
) -> None:
    """The one that reads nothing is sent away to resume; the one that reads misses nothing and hears no hiccup.

    It learns of it with 4429 when it reads again, under daphne only if it does so within the second that is given to
    the closing handshake (autobahn's ``closeHandshakeTimeout``); what a server keeps for it meanwhile is bounded.
    """
    lost = 1006 if make_bridge.kind == "daphne" else None  # type: ignore[attr-defined]  # see its fixture
    count, data = 256, "x" * 250_000
    with make_bridge(bridge_valkey.url, IPC_OUTBOX_BYTES=str(1024 * 1024)) as bridge:
        options: dict[str, Any] = {"max_size": None, "max_queue": 1, "compression": None}
        async with (
            attached(bridge, "spark", "flood:*", **options, sock=_small_socket(bridge)) as slow,
            attached(bridge, "spark", "flood:*", **options) as neighbour,
            attached(bridge, "atlas") as sender,
        ):
            before = _memory_bytes(bridge.process.pid)
            reading = asyncio.create_task(_numbers(neighbour, count))
            for number in range(count):
                await sender.ask(type="emit", event="flood:drop", target="spark", data=[number, data], ack=True)
            assert await reading == list(range(count))
            await asyncio.to_thread(_wait_for_sessions, bridge, "exprsn-spark", 1)
            assert _memory_bytes(bridge.process.pid) - before < len(data) * count // 2
            assert await slow.close_code() in {4429, lost}
            assert await neighbour.is_well()
    assert "Traceback" not in bridge.output()


async def _numbers(client: Client, count: int) -> list[int]:
    """Return the numbers of events, answering heartbeats as a client does."""
    numbers: list[int] = []
    while len(numbers) < count:
        message = await client.hear(lambda message: message["type"] in {"event", "ping"})
        if message["type"] == "ping":
            await client.say({"type": "pong", "sent": message["sent"]})
        else:
            numbers.append(message["data"][0])
    return numbers


def _memory_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def _small_socket(bridge: ServerProcess) -> socket.socket:
    """Return a connection whose kernel takes little for a reader that does not read."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
    small.settimeout(10)
    small.connect(("127.0.0.1", bridge.port))
    small.setblocking(False)
    return small


async def test_garbage_on_the_port_disturbs_nobody(bridge: ServerProcess) -> None:
    """Bytes that are no TLS, TLS that is no HTTP, and a handshake that stops half way."""
    async with attached(bridge, "live") as neighbour:
        for garbage, is_tls in GARBAGE:
            trust: ssl.SSLContext | None = bridge.trust if is_tls else None
            _, writer = await asyncio.open_connection("localhost", bridge.port, ssl=trust)
            writer.write(garbage)
            writer.transport.abort()
        assert await neighbour.is_well()


def _masked_frame(first: int, payload: bytes) -> bytes:
    """Return a client's frame (RFC 6455 section 5.2), whatever its payload is, masked with zeros."""
    size = struct.pack("!B", 0x80 | len(payload)) if len(payload) < 126 else struct.pack("!BH", 0xFE, len(payload))
    return bytes([first]) + size + bytes(4) + payload


async def test_a_flood_of_pings_from_one_that_reads_leaves_the_others_alone(bridge: ServerProcess) -> None:
    async with attached(bridge, "nexus") as hostile, attached(bridge, "nexus") as neighbour:
        frame = "\n".join([json.dumps({"type": "ping"})] * 512)
        for _ in range(40):
            await hostile.raw(frame)
        assert await neighbour.is_well()
        assert [(await hostile.next())["type"] for _ in range(40 * 512)] == ["pong"] * (40 * 512)


@pytest.mark.parametrize(
    "target",
    [
        "/admin/%0d%0aSet-Cookie:%20a=b",
        "/%0d%0aSet-Cookie:%20a=b",
        "/api/ipc/events/x%0d%0aSet-Cookie:%20a=b",
        "/admin/login/?next=%0d%0aSet-Cookie:%20a=b",
        "/ipc/%0d%0aSet-Cookie:%20a=b",
    ],
)
def test_an_address_writes_no_header(bridge: ServerProcess, target: str) -> None:
    """Whatever is repeated of it, in redirects and in messages, is one value."""
    for headers in ({}, {"X-IPC-Request": "true"}):
        answer = bridge.get(target, headers=headers)
        assert "a=b" not in answer.headers.get("set-cookie", "")
        assert "\n" not in "".join(answer.headers.values())


@pytest.mark.parametrize(
    "line",
    [
        b"X-IPC-Service: herald\rX-IPC-Request: true",
        b"X-IPC-Service: herald\x00spark",
        b"X-IPC-Service: herald\nX-Injected: 1",
        b"X-IPC-Service : herald",
        b"X_IPC_Request: true",
        b"X-IPC-Request:\r\n true",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3",
        b"Content-Length: 3\r\nContent-Length: 4",
        b"Content-Length: -1",
        b": nothing",
    ],
)
async def test_a_header_that_is_two_or_none_gets_nobody_in(bridge: ServerProcess, line: bytes) -> None:
    """Refused by the server, or read as what it is: in no case as the identity of the development user."""
    reader, writer = await asyncio.open_connection("localhost", bridge.port, ssl=bridge.trust)
    writer.write(
        b"GET /api/ipc/groups HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + line + b"\r\n\r\n0\r\n\r\n"
    )
    async with asyncio.timeout(15):
        status = await reader.readline()
        rest = await reader.read(65_536)
    writer.transport.abort()
    if line == b"X-IPC-Request:\r\n true":
        # A value on its next line is one value, where a server still takes that (RFC 9112, section 5.2).
        assert status.split()[1] in {b"200", b"400", b"401"}
    else:
        assert status.split()[1] in {b"400", b"401"}, (status, rest)
    assert b"X-Injected" not in rest
