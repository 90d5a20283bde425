"""Workloads through `IPCWorker` on a real bridge: emitted, handled by two members, acknowledged, called, served."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench import durable, library, workloads
from bench.bridge import start_ours
from bench.library import LibraryCall, LibraryDurable
from bench.servers import Server, start_valkey
from bench.tasks import Tally
from bench.workloads import CALL, DURABLE, Load

pytestmark = pytest.mark.processes
LOAD = Load(events=500, seconds=60, window=50, sample_every=10)


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[Server]:
    """Give a Valkey that keeps what it is told."""
    server = await start_valkey(tmp_path, is_durable=True)
    yield server
    await server.stop()


@pytest.fixture
async def bridge(valkey: Server, tmp_path: Path) -> AsyncIterator[Server]:
    """Give a bridge."""
    server = await start_ours("ours", valkey, server="uvicorn", folder=tmp_path)
    yield server
    await server.stop()


async def test_the_library_is_measured(valkey: Server, bridge: Server) -> None:
    """Two loads on the same workers, and on others that come after them."""
    for _ in range(2):
        async with LibraryDurable(bridge.port, valkey.port) as bench:
            for _ in range(2):
                measured = await bench.run(DURABLE, LOAD)
                assert (measured.sent, measured.deliveries, measured.lost, measured.repeated) == (500, 500, 0, 0)
                assert measured.p50_ms is not None
                assert all(bench.tally.handled)


async def test_what_is_not_acknowledged_is_lost(
    valkey: Server, bridge: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handler that fails is called again later, and Valkey knows that."""
    monkeypatch.setattr(durable, "SETTLE_TIMEOUT_S", 0.1)
    monkeypatch.setattr(workloads, "STALL_S", 0.2)

    def fail(*_: object) -> None:
        raise ValueError("not today")

    monkeypatch.setattr(Tally, "take", fail)
    few = Load(events=20, seconds=60, window=5, sample_every=1)
    async with LibraryDurable(bridge.port, valkey.port) as bench:
        assert (await bench.run(DURABLE, few)).lost >= 20


async def test_an_emit_that_fails_is_an_error_of_the_run(
    valkey: Server, bridge: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the library raises is what the report shows."""
    async with LibraryDurable(bridge.port, valkey.port) as bench:
        monkeypatch.setattr(library, "EVENT", "no event")
        with pytest.raises(ConnectionRefusedError, match="no event"):
            await bench.run(DURABLE, LOAD)


async def test_calls_are_measured(bridge: Server) -> None:
    """Each call is answered, and one that is refused fails the run."""
    async with LibraryCall(bridge.port) as bench:
        measured = await bench.run(CALL, LOAD)
        assert (measured.sent, measured.deliveries) == (500, 500)
        assert measured.p50_ms is not None
        assert (await bench.publisher.read("posts", key="x"))["id"] == "x"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(library, "RESOURCE", "nothings")
            with pytest.raises(ConnectionRefusedError, match="NO_OWNER"):
                await bench.run(CALL, LOAD)


async def test_a_bridge_that_is_not_there_is_an_error(valkey: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker would try for ever; a benchmark does not."""
    monkeypatch.setattr(library, "CONNECT_TIMEOUT_S", 0.3)
    with pytest.raises(TimeoutError):
        async with LibraryDurable(1, valkey.port):
            pass
