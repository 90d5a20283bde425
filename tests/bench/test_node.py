"""Scripts in Node do what they are told, and a script that fails says why."""

import json
import shutil
from pathlib import Path

import pytest

from bench.node import NodeBench, NodeScript, failure_of, start_script
from bench.npm import PEERS
from bench.servers import ServerError
from bench.workloads import CALL, Load

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
]

LOAD = Load(events=500, seconds=60, window=50, sample_every=10)
# A peer that does the work itself, but loses, repeats or fails as its setup says.
SCRIPT = """\
import { arrived, drive, nowUs, serve } from "./loads.mjs";
await serve(async ({ deliveries, refuses }) => {
  if (refuses) throw new Error("refused: no such stream");
  return async (load) => {
    if (load.events === 13) throw new RangeError("thirteen events");
    let [handled, most, busy] = [0, 0, 0];
    const latencies = [];
    const sent = await drive(load, async (number) => {
      busy += 1;
      most = Math.max(most, busy);
      const sentAt = nowUs();
      await new Promise((resolve) => setImmediate(resolve));
      handled += deliveries;
      if (number % load.sampleEvery === 0) latencies.push(nowUs() - sentAt);
      busy -= 1;
    });
    await arrived(sent, () => handled);
    if (most > load.window) throw new Error(`${most} under way`);
    return { sent, handled: [handled], left: 0, seconds: 0.5, latencies };
  };
});
"""


def script(folder: Path) -> NodeScript:
    """Return a script that is written to a folder, beside what it shares with the peers."""
    (folder / "package.json").write_text('{"type": "module"}')
    shutil.copyfile(PEERS / "loads.mjs", folder / "loads.mjs")
    (folder / "peer.mjs").write_text(SCRIPT)
    return NodeScript(folder / "peer.mjs", folder / "peer.log")


async def test_a_script_is_measured_and_ends(tmp_path: Path) -> None:
    """Each load is answered by itself, with no more under way than its window."""
    node = script(tmp_path)
    await node.start({"deliveries": 1})
    try:
        async with NodeBench(node) as bench:
            for _ in range(2):
                measured = await bench.run(CALL, LOAD)
                assert (measured.sent, measured.deliveries, measured.lost, measured.repeated) == (500, 500, 0, 0)
                assert measured.rate == 1000
                assert measured.p50_ms is not None
            one = await bench.run(CALL, Load(events=20, seconds=60, window=1, sample_every=1))
            assert one.sent == 20
    finally:
        await node.stop()
    assert node.process.returncode == 0


@pytest.mark.parametrize(("deliveries", "lost", "repeated"), [(0, 500, 0), (2, 0, 500)])
async def test_what_a_script_loses_or_repeats_is_counted(
    tmp_path: Path, deliveries: int, lost: int, repeated: int
) -> None:
    """A peer that lost events is not a fast one."""
    node = script(tmp_path)
    loads = tmp_path / "loads.mjs"
    loads.write_text(loads.read_text().replace("STALL_MS = 3000", "STALL_MS = 50"))
    await node.start({"deliveries": deliveries})
    try:
        measured = await node.run(LOAD)
    finally:
        await node.stop()
    assert (measured.lost, measured.repeated) == (lost, repeated)


async def test_a_script_that_does_not_start_says_why(tmp_path: Path) -> None:
    """The error and not the last line of a stack is what the report shows."""
    with pytest.raises(ServerError, match=r"peer\.mjs ended: .*refused: no such stream"):
        await script(tmp_path).start({"refuses": True})


async def test_a_script_that_fails_in_a_load_ends_the_run(tmp_path: Path) -> None:
    """A failure is an error of this run, and does not hang it."""
    node = script(tmp_path)
    await node.start({"deliveries": 1})
    try:
        with pytest.raises(ConnectionResetError, match="RangeError: thirteen events"):
            await node.run(Load(events=13, seconds=1, window=1, sample_every=1))
    finally:
        await node.stop()


async def test_a_server_that_misses_its_packages_says_so(tmp_path: Path) -> None:
    """Node's own words are what the user reads."""
    shutil.copyfile(PEERS / "socketio_server.mjs", tmp_path / "server.mjs")
    with pytest.raises(ServerError, match="it ended with code 1"):
        await start_script("peer", tmp_path / "server.mjs", env={}, folder=tmp_path)


def test_a_failure_is_found_in_a_log(tmp_path: Path) -> None:
    """Node prints the error, then where it was, then its own version."""
    log = tmp_path / "log"
    log.write_text("file:///x:3\n  throw new Error(x)\n\nTimeoutError: no answer\n    at x\n\nNode.js v20\n")
    assert failure_of(log) == "TimeoutError: no answer"
    log.write_text("\n")
    assert failure_of(log) == "it printed nothing"


def test_every_script_needs_what_is_pinned() -> None:
    """A peer imports Node's own modules, its neighbours, and packages of package.json."""
    pinned = json.loads((PEERS / "package.json").read_text())["dependencies"]
    imported = set[str]()
    for peer in PEERS.glob("*.mjs"):
        lines = [line for line in peer.read_text().splitlines() if line.startswith("import ")]
        imported |= {line.rpartition(" from ")[2].strip('";') for line in lines}
    packages = {name for name in imported if not name.startswith(("node:", "./"))}
    # Moleculer loads ioredis itself.
    assert packages | {"ioredis"} == set(pinned)
