"""A client that stops reading: it is sent away, and misses nothing when it comes back."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from tests import servers
from tests.clients import Client, Message, attached
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

SERVICE = "exprsn-spark"
LOST = 1006


@pytest.mark.parametrize("kind", servers.KINDS)
@pytest.mark.parametrize(
    ("settings", "count", "data"),
    [
        ({"IPC_OUTBOX_BYTES": str(1024 * 1024)}, 128, "x" * 100_000),
        ({"IPC_OUTBOX_MESSAGES": "200"}, 9_000, "x" * 1_000),
    ],
    ids=["bytes", "messages"],
)
async def test_it_resumes_where_it_stopped(
    own_valkey: EmbeddedValkey,
    certs_dir: Path,
    tmp_path: Path,
    kind: servers.Kind,
    settings: dict[str, str],
    count: int,
    data: str,
) -> None:
    """Closed with 4429, under daphne perhaps without a code; each event once, in order, before and after."""
    with servers.bridge(kind, own_valkey.url, certs_dir, tmp_path / "bridge", **settings) as bridge:
        options: dict[str, Any] = {"max_size": None, "max_queue": 1, "compression": None}
        async with attached(bridge, "atlas") as sender:
            async with attached(bridge, "spark", "flood:*", **options, sock=small_socket(bridge)) as slow:
                await emit(sender, 0, count, data)
                await sent_away(bridge)
                code = await slow.close_code()
                before = [message for message in slow._kept if message["type"] == "event"]
            assert code in ({4429, LOST} if kind == "daphne" else {4429})
            numbers = [event["data"][0] for event in before]
            assert numbers == list(range(len(numbers)))
            assert len(numbers) < count
            since = {SERVICE: before[-1]["position"]} if before else {SERVICE: "0-0"}
            async with attached(bridge, "spark", **options) as again:
                ok = await again.ask(type="subscribe", events=["flood:*"], since=since)
                assert ok["recovered"] is True
                after = await events(again, count - len(numbers))
        assert numbers + [event["data"][0] for event in after] == list(range(count))
        assert "Traceback" not in bridge.output()


async def emit(sender: Client, first: int, count: int, data: str) -> None:
    """Emit numbered events, some in each frame; the last of a frame is confirmed."""
    size = max(1, min(100, 500_000 // len(data)))
    for start in range(first, count, size):
        numbers = range(start, min(start + size, count))
        messages: list[Message] = [
            {"type": "emit", "event": "flood:drop", "target": "spark", "data": [number, data]} for number in numbers
        ]
        *others, last = messages
        await sender.say(*others, {**last, "id": f"last-{start}", "ack": True})
        await sender.hear(lambda message, start=start: message.get("id") == f"last-{start}" and message["type"] == "ok")


async def events(client: Client, count: int) -> list[Message]:
    """Return so many events, and answer heartbeats as a client does."""
    found: list[Message] = []
    while len(found) < count:
        found.append(await client.event())
    return found


async def sent_away(bridge: ServerProcess) -> None:
    """Wait until the bridge has no session of the service any more."""
    async with asyncio.timeout(30):
        while True:
            stats = await asyncio.to_thread(bridge.get, "/api/ipc/stats")
            if not any(session["service"] == SERVICE for session in stats.json()["data"]["connections"]):
                return


def small_socket(bridge: ServerProcess) -> socket.socket:
    """Return a connection whose kernel takes little for a reader that does not read."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
    small.settimeout(10)
    small.connect(("127.0.0.1", bridge.port))
    small.setblocking(False)
    return small
