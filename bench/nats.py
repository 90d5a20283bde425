"""NATS JetStream as a peer: its server, and as much of its text protocol as the durable workload needs.

The protocol is that of docs.nats.io/reference/reference-protocols/nats-protocol, JetStream's requests those of
docs.nats.io/reference/reference-protocols/nats_api_reference. The usual Python client parses in pure Python on streams,
which would measure the client; this is an ``asyncio.Protocol`` that looks at an event as little as the others here do.
"""

import asyncio
import contextlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast

from bench.servers import Server, ServerError, free_port, start
from bench.wires import now_us, post_data, sent_at_of

CONNECT_TIMEOUT_S: Final = 10.0
STREAM: Final = "bench"
SUBJECT: Final = "bench.post"
GROUP: Final = "bench"
# As much and as long as the bridge keeps and remembers: its log's length, five minutes of ids.
MAX_EVENTS: Final = 100_000
REMEMBER_NS: Final = 300 * 10**9
_CONNECT: Final = b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\nPING\r\n'
_ANSWERS: Final = b"9"


def nats_server() -> str:
    """Return the path of ``nats-server``; Debian keeps it where only root looks.

    Raises:
        ServerError: it is not installed.

    """
    found = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
    if found is None:
        raise ServerError("nats-server is not installed")
    return found


async def nats_version() -> str | None:
    """Return the version of nats-server, None where it is not installed."""
    try:
        path = nats_server()
    except ServerError:
        return None
    process = await asyncio.create_subprocess_exec(path, "--version", stdout=asyncio.subprocess.PIPE)
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    return output.decode().strip().removeprefix("nats-server: v")


async def start_jetstream(name: str, folder: Path) -> Server:
    """Start a NATS server with JetStream, which keeps its files in the folder.

    Raises:
        ServerError: it does not start.

    """
    port = free_port()
    command = [nats_server(), "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder / name)]
    return await start(name, command, port=port, folder=folder)


class NatsSocket(asyncio.Protocol):
    """One connection: subscribed to a subject, answering each message there if it is a member of the group."""

    def __init__(self, inbox: str, *, queue: str = "") -> None:
        self.events = 0
        self.latencies_us: list[int] = []
        self.sample_every = 1
        self.on_events: Callable[[int], None] = lambda _: None
        self.on_failure: Callable[[Exception], None] = lambda _: None
        self._inbox = inbox
        self._queue = queue
        self._unsampled = 0
        self._rest = b""
        loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = loop.create_future()
        self._closed: asyncio.Future[None] = loop.create_future()
        self._answer: asyncio.Future[bytes] | None = None

    # What the driver does

    def send(self, messages: Sequence[bytes]) -> None:
        """Send messages in one write."""
        self._transport.write(b"".join(messages))

    def emit(self, sent_at: int, number: int) -> bytes:
        """Return one message that publishes a post, to be acknowledged, with the id that drops a repeat."""
        head = b"NATS/1.0\r\nNats-Msg-Id: %d-%d\r\n\r\n" % (sent_at, number)
        data = post_data(sent_at)
        sizes = b"%d %d" % (len(head), len(head) + len(data))
        return b"HPUB %b %b %b\r\n%b%b\r\n" % (SUBJECT.encode(), self._inbox.encode(), sizes, head, data)

    def reset(self, *, sample_every: int) -> None:
        """Forget what was counted and sampled; from now on look at one event in ``sample_every``."""
        self.events = self._unsampled = 0
        self.latencies_us = []
        self.sample_every = sample_every

    async def request(self, subject: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask JetStream for something.

        Raises:
            ConnectionRefusedError: it refused.
            TimeoutError: it did not answer in time.

        """
        payload = json.dumps(body).encode()
        self._answer = asyncio.get_running_loop().create_future()
        reply_to = f"{self._inbox}.answer"
        self._transport.write(b"PUB %b %b %d\r\n%b\r\n" % (subject.encode(), reply_to.encode(), len(payload), payload))
        answer: dict[str, Any] = json.loads(await asyncio.wait_for(self._answer, CONNECT_TIMEOUT_S))
        if "error" in answer:
            raise ConnectionRefusedError(f"{subject}: {answer['error']}")
        return answer

    async def wait_ready(self) -> None:
        """Wait until the server has answered the greeting."""
        await asyncio.wait_for(self._ready, CONNECT_TIMEOUT_S)

    async def close(self) -> None:
        """Close the connection."""
        self.on_events = lambda _: None
        self.on_failure = lambda _: None
        self._transport.close()
        await asyncio.wait_for(self._closed, CONNECT_TIMEOUT_S)

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Subscribe, and greet."""
        self._transport = cast("asyncio.Transport", transport)
        events = f"SUB {self._inbox} {self._queue + ' ' if self._queue else ''}1\r\n"
        answers = f"SUB {self._inbox}.answer {_ANSWERS.decode()}\r\n"
        self._transport.write(events.encode() + answers.encode() + _CONNECT)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        self._closed.set_result(None)
        self._fail(exc or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        """Take all messages that are complete: count and acknowledge them together."""
        if self._rest:
            data = self._rest + data
        at = events = 0
        acks: list[bytes] = []
        while (end := data.find(b"\r\n", at)) >= 0:
            line = data[at:end].split(b" ")
            at_next = end + 2
            if line[0] in {b"MSG", b"HMSG"}:
                at_next += int(line[-1]) + 2
                if at_next > len(data):
                    break
                if line[2] == _ANSWERS:
                    self._answered(data[end + 2 : at_next - 2])
                else:
                    events += 1
                    if self._queue:
                        acks.append(b"PUB %b 4\r\n+ACK\r\n" % line[3])
            else:
                self._control(line)
            at = at_next
        self._rest = data[at:]
        if events:
            self._took(events, data[:at], acks)

    def _took(self, events: int, data: bytes, acks: list[bytes]) -> None:
        if acks:
            self._transport.write(b"".join(acks))
        elif b'"error":' in data:
            self._fail(ConnectionRefusedError(data[:200].decode(errors="replace")))
        self.events += events
        self._unsampled += events
        if self._unsampled >= self.sample_every:
            self._unsampled = 0
            start = self.events * 7919 % len(data)
            sent_at = sent_at_of(data, start) or sent_at_of(data)
            if sent_at is not None:
                self.latencies_us.append(now_us() - sent_at)
        self.on_events(events)

    def _control(self, line: Sequence[bytes]) -> None:
        if line[0] == b"PING":
            self._transport.write(b"PONG\r\n")
        elif line[0] == b"PONG" and not self._ready.done():
            self._ready.set_result(None)
        elif line[0] == b"-ERR":
            self._fail(ConnectionRefusedError(b" ".join(line).decode()))

    def _answered(self, payload: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(payload)

    def _fail(self, error: Exception) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)
        self.on_failure(error)


async def connect_nats(port: int, inbox: str, *, queue: str = "") -> NatsSocket:
    """Return a connection that hears what is published to its inbox.

    Raises:
        OSError: the server refused it, or did not let it in within ten seconds (TimeoutError).

    """
    socket = NatsSocket(inbox, queue=queue)
    await asyncio.get_running_loop().create_connection(lambda: socket, "127.0.0.1", port)
    await socket.wait_ready()
    return socket


def stream_config() -> dict[str, Any]:
    """Return the configuration of the stream, in a file."""
    return {
        "name": STREAM,
        "subjects": [SUBJECT],
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "max_msgs": MAX_EVENTS,
        "num_replicas": 1,
        "duplicate_window": REMEMBER_NS,
    }


def consumer_config(*, max_unacknowledged: int, deliver_to: str | None = None) -> dict[str, Any]:
    """Return the durable consumer's configuration: members ask for events, or share what is pushed to a subject."""
    pushed = {"deliver_subject": deliver_to, "deliver_group": GROUP} if deliver_to else {}
    return {
        "durable_name": GROUP,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "max_ack_pending": max_unacknowledged,
        **pushed,
    }


async def make_stream(socket: NatsSocket, *, deliver_to: str, max_unacknowledged: int) -> None:
    """Make the stream, empty, and its one consumer, which divides events among the members of the group.

    Raises:
        OSError: the server refused it.

    """
    with contextlib.suppress(ConnectionRefusedError):
        await socket.request(f"$JS.API.STREAM.DELETE.{STREAM}", {})
    await socket.request(f"$JS.API.STREAM.CREATE.{STREAM}", stream_config())
    config = consumer_config(max_unacknowledged=max_unacknowledged, deliver_to=deliver_to)
    subject = f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.{GROUP}"
    await socket.request(subject, {"stream_name": STREAM, "config": config})


async def unacknowledged(socket: NatsSocket) -> int:
    """Return how many events the consumer has yet to deliver or to see acknowledged."""
    info = await socket.request(f"$JS.API.CONSUMER.INFO.{STREAM}.{GROUP}", {})
    return int(info["num_ack_pending"]) + int(info["num_pending"])
