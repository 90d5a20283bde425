"""What rate limits cost: CPU time of the hub's process and of Valkey for each targeted event, without and with them.

Run with ``python -m bench.limits``. CPU time and not speed, because a machine that does other things, too, falsifies
the latter more; and of each the cheapest round counts, the one that was disturbed least.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from exprsn.embedded import EmbeddedValkey
from ipc.hub import meter
from ipc.hub.hub import Hub
from ipc.hub.mesh import Mesh
from ipc.hub.session import Identity, Origin
from ipc.protocol.limits import Limits

SERVICE: Final = "exprsn-herald"
LIMITS: Final = Limits(rate_max=1_000_000_000)
EMIT: Final = '{"type":"emit","event":"post:created","target":"herald","data":{"id":"f451988a-3068","content":"Hello"}}'
ASK_EVERY_TIME_S: Final = 0.0


class Silent:
    """The other end of a session that only emits."""

    async def send(self, frame: str) -> None:
        """Take a frame."""

    async def close(self, code: int, reason: str) -> None:
        """End: nothing of the bench closes a session."""
        sys.exit(f"the hub closed the session: {code} {reason}")


async def emit_all(hub: Hub, events: int) -> float:
    """Emit events, one a frame, and return the microseconds of CPU time of each until all are in the log."""
    identity = Identity(service=SERVICE, permissions=frozenset({"*"}))
    session = hub.attach(Silent(), identity, Origin(door="bench", pid=0, hostname="bench"))
    began = time.process_time_ns()
    for _ in range(events):
        await hub.receive(session, EMIT)
        await asyncio.sleep(0)
    await hub.logs.writer(SERVICE).flushed()
    spent = time.process_time_ns() - began
    await hub.detach(session)
    return spent / 1000 / events


async def measure(events: int, rounds: int) -> dict[str, float]:
    """Return the least of some rounds of each kind, in turn."""
    found: dict[str, list[float]] = {"without": [], "lent": [], "asked each time": []}
    usual = meter.LEASE_S
    with TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as valkey:
        for _ in range(rounds):
            for kind, spent in found.items():
                meter.LEASE_S = ASK_EVERY_TIME_S if kind == "asked each time" else usual  # type: ignore[misc]  # to compare
                mesh = await Mesh(valkey.url, limits=LIMITS, announces=False, limits_rates=kind != "without").start()
                spent.append(await emit_all(mesh.hub, events))
                await mesh.stop()
    meter.LEASE_S = usual  # type: ignore[misc]  # as above
    return {kind: min(spent) for kind, spent in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.limits", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=20_000, help="events a round (20000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each kind (5)")
    options = parser.parse_args()
    for kind, spent_us in asyncio.run(measure(options.events, options.rounds)).items():
        print(f"{kind:<16} {spent_us:6.1f} us of CPU for each event")


if __name__ == "__main__":
    main()
