"""The sockets of the driver: they send, count what arrives and sample its latency, alike for every protocol."""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Final

from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from bench.wires import Wire, now_us, sent_at_of

CONNECT_TIMEOUT_S: Final = 10.0


class Socket(WSListener):
    """One service's connection: answers the protocol's own traffic, counts events, samples their latency."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.events = 0
        self.latencies_us: list[int] = []
        self.sample_every = 1
        self.on_events: Callable[[int], None] = lambda _: None
        self.on_failure: Callable[[Exception], None] = lambda _: None
        self._unsampled = 0
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the transport to send on."""
        self._transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:  # noqa: ARG002 - the signature is picows'
        """Tell whoever waits."""
        self._fail(ConnectionResetError(f"the server closed the socket of {self.wire.service}"))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Count a frame's events, or do what the protocol asks for."""
        if frame.msg_type == WSMsgType.CLOSE:
            # A server may keep the socket for a while, long enough for the run to look stalled.
            self._fail(_closed(self.wire.service, frame.get_payload_as_bytes()))
        if frame.msg_type != WSMsgType.TEXT:
            return
        payload = frame.get_payload_as_bytes()
        events = self.wire.count(payload)
        if self.wire.has_more(payload, events):
            self._answer(transport, payload)
        if not events:
            return
        if (answer := self.wire.acknowledge(payload)) is not None:
            transport.send(WSMsgType.TEXT, answer)
        self.events += events
        self._unsampled += events
        if self._unsampled >= self.sample_every:
            self._unsampled = 0
            self._sample(payload)
        self.on_events(events)

    def send(self, messages: Sequence[bytes]) -> None:
        """Send messages in as few frames as the protocol can."""
        for frame in self.wire.pack(messages):
            self._transport.send(WSMsgType.TEXT, frame)

    def reset(self, *, sample_every: int) -> None:
        """Forget what was counted and sampled; from now on look at one event in ``sample_every``."""
        self.events = self._unsampled = 0
        self.latencies_us = []
        self.sample_every = sample_every

    async def close(self) -> None:
        """Close the connection and wait until the server has closed it too, at most two seconds."""
        self.on_events = lambda _: None
        self.on_failure = lambda _: None
        self._transport.send_close()
        try:
            await asyncio.wait_for(self._transport.wait_disconnected(), 2)
        except TimeoutError:
            self._transport.disconnect(graceful=False)

    async def wait_ready(self) -> None:
        """Wait until the server has let the socket in."""
        await asyncio.wait_for(self._ready, CONNECT_TIMEOUT_S)

    def _sample(self, payload: bytes) -> None:
        # Where in a frame the sampled event lies must not depend on its age: the oldest lie first.
        start = self.events * 7919 % len(payload)
        sent_at = sent_at_of(payload, start) or sent_at_of(payload)
        if sent_at is not None:
            self.latencies_us.append(now_us() - sent_at)

    def _answer(self, transport: WSTransport, payload: bytes) -> None:
        try:
            answer = self.wire.reply(payload)
        except ConnectionRefusedError as error:
            self._fail(error)
            return
        if answer is not None:
            transport.send(WSMsgType.TEXT, answer)
        if self.wire.is_ready and not self._ready.done():
            self._ready.set_result(None)

    def _fail(self, error: Exception) -> None:
        if not self._ready.done():
            self._ready.set_exception(error)
        self.on_failure(error)


def _closed(service: str, close: bytes) -> ConnectionResetError:
    """Return the error for a close frame: a code of two bytes and a reason (RFC 6455 section 5.5.1), 0 without them."""
    said = f"{int.from_bytes(close[:2])} {close[2:].decode(errors='replace')}".rstrip()
    return ConnectionResetError(f"the server closed the socket of {service}: {said}")


async def connect(wire: Wire, port: int, tls: ssl.SSLContext | None = None) -> Socket:
    """Return a socket that has been let in and hears its events.

    Raises:
        OSError: the server refused it, or did not let it in within ten seconds (TimeoutError).

    """
    url = f"{'wss' if tls else 'ws'}://127.0.0.1:{port}{wire.path}"
    socket = Socket(wire)
    await ws_connect(lambda: socket, url, ssl_context=tls)
    try:
        await socket.wait_ready()
    except BaseException:
        await socket.close()
        raise
    return socket
