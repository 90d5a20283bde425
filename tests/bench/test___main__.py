"""The program as a whole: it measures real servers, and leaves none of them behind."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from bench.servers import ROOT

pytestmark = pytest.mark.processes

WORK = ["--only", "channels-pubsub-uvicorn,echo", "--rounds", "1"]


async def bench(*arguments: str) -> asyncio.subprocess.Process:
    """Start the benchmark of one plain peer."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench", *WORK, *arguments), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )


def children(pid: int) -> list[int]:
    """Return the processes that a process has started and that still run."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runs(pid: int) -> bool:
    """Tell whether a process still runs."""
    return Path(f"/proc/{pid}").exists()


async def test_a_run_is_measured_and_written(tmp_path: Path) -> None:
    """The table is printed, the results are JSON, and a missing baseline is null."""
    results = tmp_path / "latest.json"
    process = await bench("--seconds", "0.1", "--output", str(results))
    output, _ = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == 0
    assert "plain Channels, pubsub layer, uvicorn" in output.decode()
    written = json.loads(results.read_text())
    assert written["ratios"] == {"echo": None}
    (run,) = written["runs"]
    assert run["deliveries_per_s"][0] > 0
    assert "trouble" not in run


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells which processes were started")
async def test_a_stopped_run_leaves_no_server_behind() -> None:
    """SIGTERM in the middle of a run stops the servers before the program ends."""
    process = await bench("--seconds", "300")
    assert process.stdout is not None
    async with asyncio.timeout(60):
        async for line in process.stdout:
            if line.startswith(b"round 1"):
                break
        started = children(process.pid)
        process.terminate()
        await process.communicate()
    assert process.returncode == 130
    assert len(started) == 2
    assert not any(map(runs, started))
