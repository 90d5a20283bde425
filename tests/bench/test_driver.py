"""The driver's sockets against a real WebSocket server that speaks the native protocol."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

from bench import workloads
from bench.driver import connect
from bench.wires import NativeWire
from bench.workloads import WORKLOADS, Bench, Load, Part, Workload

LOAD = Load(events=500, seconds=60, window=50, sample_every=10)
BY_KEY = {workload.key: workload for workload in WORKLOADS}
LIVE = [workload for workload in WORKLOADS if workload.part is Part.LIVE]
HEARTBEAT = b'{"type":"ping","sent":1}'
TOO_SLOW: Any = 4429  # WSCloseCode has the codes of the RFC only
Fate = Callable[[int], int]


class Bridge:
    """As much of a bridge as the driver needs: lets everybody in, and sends what is emitted to whom it is for."""

    def __init__(self, fate: Fate, greeting: bytes) -> None:
        self.subscribers: dict[str, WSTransport] = {}
        self.fate = fate
        self.greeting = greeting
        self.emitted = 0
        self.heartbeats = 0
        self.answered = 0
        self.port = 0


class BridgeSession(WSListener):
    """One socket of the bridge."""

    def __init__(self, bridge: Bridge, service: str) -> None:
        self._bridge = bridge
        self._service = service

    def on_ws_connected(self, transport: WSTransport) -> None:
        transport.send(WSMsgType.TEXT, self._bridge.greeting)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
            return
        lines = frame.get_payload_as_bytes().split(b"\n")
        if lines[0].startswith(b'{"type":"subscribe"'):
            self._bridge.subscribers[self._service] = transport
            transport.send(WSMsgType.TEXT, b'{"type":"ok","id":"1"}')
        elif lines[0].startswith(b'{"type":"ping"'):
            transport.send(WSMsgType.TEXT, b"\n".join(line.replace(b"ping", b"pong", 1) for line in lines))
        elif lines[0].startswith(b'{"type":"pong"'):
            self._bridge.answered += 1
        else:
            self._emit(lines)

    def _emit(self, lines: list[bytes]) -> None:
        events = []
        for line in lines:
            self._bridge.emitted += 1
            events += [line.replace(b"emit", b"event", 1)] * self._bridge.fate(self._bridge.emitted)
        if self._bridge.emitted % 10 == 0 and events:
            # Before, among and after events, since a frame has as many as the flow has sent at once.
            events.insert(self._bridge.heartbeats % (len(events) + 1), HEARTBEAT)
            self._bridge.heartbeats += 1
        target = lines[0].split(b'"target":"')[1].split(b'"')[0].decode()
        for service, transport in self._bridge.subscribers.items():
            if events and target in {service, "broadcast"}:
                transport.send(WSMsgType.TEXT, b"\n".join(events))


@asynccontextmanager
async def bridge(fate: Fate = lambda _: 1, greeting: bytes = b'{"type":"welcome"}') -> AsyncIterator[Bridge]:
    """Run a bridge that delivers each event as often as its fate says; gives it, with its port."""
    state = Bridge(fate, greeting)

    def session(request: WSUpgradeRequest) -> WSListener:
        return BridgeSession(state, request.path.decode().rpartition("/")[2])

    server = await ws_create_server(session, "127.0.0.1", 0)
    try:
        state.port = server.sockets[0].getsockname()[1]
        yield state
    finally:
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("workload", LIVE, ids=lambda workload: workload.key)
async def test_every_delivery_is_counted(workload: Workload) -> None:
    """A good server is found to have delivered everything once, whatever the frames, with times to tell."""
    async with bridge() as server, Bench(NativeWire, server.port) as bench:
        measured = await bench.run(workload, LOAD)
    receivers = 18 if workload.name == "broadcast" else 1
    assert (measured.sent, measured.deliveries) == (500, 500 * receivers)
    assert (measured.lost, measured.repeated) == (0, 0)
    assert measured.p50_ms is not None
    assert measured.p99_ms is not None
    assert 0 < measured.p50_ms <= measured.p99_ms


async def test_losses_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that drops every hundredth event is found out, for each receiver."""
    monkeypatch.setattr(workloads, "STALL_S", 0.2)
    async with bridge(lambda number: int(number % 100 != 0)) as server, Bench(NativeWire, server.port) as bench:
        measured = await bench.run(BY_KEY["broadcast"], LOAD)
    assert (measured.sent, measured.lost, measured.repeated) == (500, 5 * 18, 0)


async def test_repeats_are_counted() -> None:
    """A server that sends an event twice is found out."""
    async with bridge(lambda number: 2 if number == 250 else 1) as server, Bench(NativeWire, server.port) as bench:
        measured = await bench.run(BY_KEY["targeted"], LOAD)
    assert measured.repeated > 0


@pytest.mark.parametrize("workload", ["targeted", "targeted_20", "broadcast_20"])
async def test_heartbeats_among_events_are_answered_and_not_counted(workload: str) -> None:
    """The bridge closes a socket that leaves heartbeats unanswered; and none may hide or repeat an event."""
    async with bridge() as server:
        async with Bench(NativeWire, server.port) as bench:
            measured = await bench.run(BY_KEY[workload], LOAD)
        receivers = 18 if workload.startswith("broadcast") else 1
        assert (measured.deliveries, measured.lost, measured.repeated) == (500 * receivers, 0, 0)
        assert server.heartbeats > 2
        assert server.answered == server.heartbeats * receivers


async def test_a_session_that_the_server_ends_fails_the_run_and_is_no_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server says goodbye and keeps the socket, as uvicorn does for ten seconds: nothing more comes by it."""
    monkeypatch.setattr(workloads, "STALL_S", 60.0)
    async with bridge() as server:

        def end_midway(number: int) -> int:
            if number == 250:
                server.subscribers["herald"].send_close(TOO_SLOW, b"resume when ready")
            return 1

        server.fate = end_midway
        async with Bench(NativeWire, server.port) as bench:
            with pytest.raises(ConnectionResetError, match=r"socket of herald: 4429 resume when ready$"):
                await asyncio.wait_for(bench.run(BY_KEY["broadcast"], LOAD), 10)


async def test_a_refused_socket_says_why() -> None:
    """What the server said is what the user reads."""
    async with bridge(greeting=b'{"type":"error","code":"UNAUTHENTICATED"}') as server:
        with pytest.raises(ConnectionRefusedError, match="UNAUTHENTICATED"):
            await connect(NativeWire("ca"), server.port)


async def test_no_server_is_an_error() -> None:
    """Nobody at the port is an OSError like any other."""
    async with bridge() as server:
        pass
    with pytest.raises(OSError, match=r"refused|Connect"):
        await asyncio.wait_for(connect(NativeWire("ca"), server.port), 5)
