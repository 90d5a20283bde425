"""The durable workload through nats-py on a real JetStream."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from bench import durable, nats_library
from bench.nats import nats_server, start_jetstream
from bench.nats_library import NatsLibraryDurable
from bench.servers import ServerError
from bench.workloads import DURABLE, Load

pytestmark = pytest.mark.processes
LOAD = Load(events=500, seconds=60, window=50, sample_every=10)


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """Give the port of a JetStream."""
    try:
        nats_server()
    except ServerError as error:
        pytest.skip(str(error))
    server = await start_jetstream("jetstream", tmp_path)
    yield server.port
    await server.stop()


async def test_jetstream_is_measured_through_its_client(port: int) -> None:
    """Two members share the events of each load, and another connection begins with an empty stream."""
    for _ in range(2):
        async with NatsLibraryDurable(port) as bench:
            for _ in range(2):
                measured = await bench.run(DURABLE, LOAD)
                assert (measured.sent, measured.deliveries, measured.lost, measured.repeated) == (500, 500, 0, 0)
                assert measured.p50_ms is not None
                assert all(bench.tally.handled)


async def test_what_is_not_acknowledged_is_lost(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """JetStream itself says what it still waits for."""

    async def forget(_: object) -> None:
        return

    monkeypatch.setattr(durable, "SETTLE_TIMEOUT_S", 0.1)
    monkeypatch.setattr(Msg, "ack", forget)
    few = Load(events=20, seconds=60, window=5, sample_every=1)
    async with NatsLibraryDurable(port) as bench:
        measured = await bench.run(DURABLE, few)
    assert (measured.deliveries, measured.lost) == (20, 20)


async def test_a_message_that_is_not_stored_fails_the_run(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the client raises is what the report shows."""
    async with NatsLibraryDurable(port) as bench:
        monkeypatch.setattr(nats_library, "SUBJECT", "nobody.keeps")
        with pytest.raises(ConnectionRefusedError, match="no response from stream"):
            await bench.run(DURABLE, LOAD)
