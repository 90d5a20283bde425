"""The durable workload counts what was stored, handled and acknowledged, on real servers, and nothing that was not."""

import asyncio
from pathlib import Path

import pytest

from bench import durable, workloads
from bench.acknowledged import AcknowledgedDurable
from bench.bridge import start_ours
from bench.durable import DurableFlow, JetStreamDurable, NativeDurable
from bench.nats import nats_server, start_jetstream
from bench.servers import ServerError, start_valkey
from bench.workloads import DURABLE, Load, Measured

LOAD = Load(events=500, seconds=60, window=200, sample_every=10)


def has_nats() -> bool:
    try:
        nats_server()
    except ServerError:
        return False
    return True


def check(measured: Measured) -> None:
    """Assert that all of a load arrived once, with times to tell."""
    assert (measured.sent, measured.deliveries, measured.lost, measured.repeated) == (500, 500, 0, 0)
    assert measured.p50_ms is not None
    assert measured.rate > 0


async def check_sharing(bench: NativeDurable | AcknowledgedDurable, monkeypatch: pytest.MonkeyPatch) -> None:
    """Assert that both members get something of a load, and that what one of them does not acknowledge is missed."""
    check(await bench.run(DURABLE, LOAD))
    assert all(member.events for member in bench.members)
    monkeypatch.setattr(bench.members[0].wire, "acknowledge", lambda _: None)
    few = Load(events=20, seconds=60, window=200, sample_every=10)
    assert (await bench.run(DURABLE, few)).lost == bench.members[0].events > 0


async def test_no_more_than_a_window_is_unanswered_and_the_end_waits_for_both() -> None:
    """Deliveries free no room, answers do; a flow is over when everything is answered and handled."""
    waiting: list[int] = []
    loop = asyncio.get_running_loop()

    def send(events: int) -> None:
        waiting.append(events)
        assert flow.sent - flow.answered <= 200
        loop.call_soon(flow.on_events, events)
        loop.call_soon(flow.on_answers, events)

    flow = DurableFlow(LOAD, send=send)
    await flow.run()
    assert (flow.sent, flow.answered, flow.delivered) == (500, 500, 500)
    assert waiting == [200, 200, 100]


async def test_what_is_never_answered_ends_the_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deliveries alone do not end a run well: an emitter that hears nothing stalls."""
    monkeypatch.setattr(workloads, "STALL_S", 0.05)
    loop = asyncio.get_running_loop()
    flow = DurableFlow(LOAD, send=lambda events: (loop.call_soon(flow.on_events, events), None)[1])
    await flow.run()
    assert (flow.sent, flow.answered, flow.delivered) == (200, 0, 200)


@pytest.mark.processes
async def test_the_bridge_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two members share the events; one that does not acknowledge is found out, by Valkey's own count."""
    monkeypatch.setattr(durable, "SETTLE_TIMEOUT_S", 0.1)
    valkey = await start_valkey(tmp_path, is_durable=True)
    server = None
    try:
        server = await start_ours("ours", valkey, server="uvicorn", folder=tmp_path)
        async with NativeDurable(server.port, valkey.port) as bench:
            await check_sharing(bench, monkeypatch)
    finally:
        if server is not None:
            await server.stop()
        await valkey.stop()


@pytest.mark.processes
@pytest.mark.skipif(not has_nats(), reason="nats-server is not installed")
async def test_jetstream_is_measured(tmp_path: Path) -> None:
    """Its two members share the events too, a repeat of an id is stored once, and its files are in the folder."""
    server = await start_jetstream("jetstream", tmp_path)
    try:
        async with JetStreamDurable(server.port) as bench:
            check(await bench.run(DURABLE, LOAD))
            assert all(member.events for member in bench.members)
            monkey = bench.emitter.emit(1, 1)
            bench.emitter.send([monkey, monkey])
            info = await bench.emitter.request("$JS.API.STREAM.INFO.bench", {})
            assert (info["state"]["messages"], info["config"]["storage"]) == (501, "file")
    finally:
        await server.stop()
    assert any((tmp_path / "jetstream").rglob("*.blk"))
