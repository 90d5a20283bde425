"""The peers on Node.js do their workload, where their packages are installed."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bench import subjects
from bench.npm import PEERS, STAMP, peers_dir
from bench.servers import ServerError
from bench.subjects import JETSTREAM, MOLECULER, SOCKETIO_ACKS, SUBJECTS, Place
from bench.workloads import CALL, DURABLE, Load, Workload

pytestmark = pytest.mark.processes


def has_packages() -> bool:
    """Tell whether `make bench` has installed what package.json wants."""
    stamp = peers_dir() / STAMP
    return stamp.exists() and stamp.read_bytes() == (PEERS / "package.json").read_bytes()


@pytest.mark.skipif(not has_packages(), reason="the packages of the peers in Node are not installed")
@pytest.mark.parametrize(("name", "workload"), [(JETSTREAM, DURABLE), (SOCKETIO_ACKS, DURABLE), (MOLECULER, CALL)])
async def test_a_peer_in_node_is_measured(
    name: str, workload: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a load arrives once, load after load, with times to tell."""
    monkeypatch.setattr(subjects, "COMPILE_S", 0.1)
    (subject,) = (subject for subject in SUBJECTS if subject.name == name)
    async with AsyncExitStack() as stack:
        try:
            connect = await subject.start(Place(name, tmp_path, peers_dir(), stack))
        except ServerError as error:
            pytest.skip(str(error))
        for window in (workload.window, 1):
            async with connect() as bench:
                measured = await bench.run(workload, Load(events=300, seconds=60, window=window, sample_every=10))
            assert (measured.sent, measured.deliveries, measured.lost, measured.repeated) == (300, 300, 0, 0)
            assert measured.p50_ms is not None
            assert 0 < measured.p50_ms < 60_000
