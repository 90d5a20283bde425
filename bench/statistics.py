"""What statistics cost: CPU time of the hub's process for each event, with counting by names and without it.

Run with ``python -m bench.statistics``. CPU time and not speed, because a machine that does other things, too,
falsifies the latter more; and of each the cheapest round counts, the one that was disturbed least. What is counted for
an event is measured by itself, too, because it is less than the rounds differ.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from exprsn.embedded import EmbeddedValkey
from ipc.hub.hub import Hub
from ipc.hub.mesh import Mesh
from ipc.hub.session import Identity, Origin, Session
from ipc.hub.tallies import Tallies
from ipc.protocol.services import SERVICES
from ipc.protocol.tally import Tally

FRAME: Final = (
    '{"type":"event","id":"01M853P7DDDKSMG3K1Y6PCRTT0-17","event":"post:created","source":"exprsn-timeline",'
    '"target":"broadcast","ts":1795467976100,"data":{"id":"f451988a-3068","content":"Hello"}'
)
EMIT: Final = '{"type":"emit","event":"post:created","data":{"id":"f451988a-3068","content":"Hello"}}'
TURNS: Final = 2_000


class Hearing:
    """The other end of a session that hears everything and says nothing more."""

    async def send(self, frame: str) -> None:
        """Take a frame."""

    async def close(self, code: int, reason: str) -> None:
        """End: nothing of the bench closes a session."""
        sys.exit(f"the hub closed the session: {code} {reason}")


class Idle:
    """Takes the place of `Tallies`, and counts nothing."""

    def __getattr__(self, _name: str) -> Any:
        return lambda *_args: []

    def taken(self) -> tuple[Tally, Tally]:
        """Return that nothing was counted."""
        return Tally(), Tally()


def attached(hub: Hub, service: str) -> Session:
    """Return a session of a service."""
    identity = Identity(service=service, permissions=frozenset({"*"}))
    return hub.attach(Hearing(), identity, Origin(door="bench", pid=0, hostname="bench"))


async def run(hub: Hub, *, events: int, batch: int, listeners: int) -> float:
    """Emit events in frames of ``batch`` to sessions that hear them, and return the microseconds of CPU of each."""
    sessions = [attached(hub, SERVICES[number % len(SERVICES)]) for number in range(listeners)]
    for session in sessions:
        await hub.receive(session, '{"type":"subscribe","id":"s","events":["post:*"]}')
    emitter = attached(hub, "exprsn-timeline")
    frame = "\n".join([EMIT] * batch)
    began = time.process_time_ns()
    for _ in range(events // batch):
        await hub.receive(emitter, frame)
        await hub.logs.writer("broadcast").flushed()
    spent = time.process_time_ns() - began
    for session in (*sessions, emitter):
        await hub.detach(session)
    return spent / 1000 / events


def alone(*, batch: int, listeners: int) -> float:
    """Return the microseconds of what is counted for each event, and of nothing else."""
    positions = [f"{time.time_ns() // 1_000_000}-{number}" for number in range(batch)]
    tallies, frames = Tallies(), [FRAME] * batch
    services = [SERVICES[number % len(SERVICES)] for number in range(listeners)]
    names = [("exprsn-timeline", "post:created")] * batch
    spent = []
    for _ in range(20):
        began = time.process_time_ns()
        for _ in range(TURNS // batch):
            tallies.appended(names)
            rows = tallies.rows_of(frames)
            for service in services:
                for row, number in rows:
                    row[service] += number
            tallies.delivery_took(positions)
        spent.append((time.process_time_ns() - began) / 1000 / (TURNS // batch * batch))
    return min(spent)


async def measure(*, events: int, rounds: int, batch: int, listeners: int) -> dict[str, float]:
    """Return the least of some rounds without and with counting, in turn."""
    found: dict[str, list[float]] = {"without": [], "with": []}
    with TemporaryDirectory() as folder, EmbeddedValkey(Path(folder)) as valkey:
        for _ in range(rounds):
            for kind, spent in found.items():
                mesh = Mesh(valkey.url, announces=False)
                if kind == "without":
                    mesh.hub.counters.named = Idle()  # type: ignore[assignment]  # to compare
                await mesh.start()
                spent.append(await run(mesh.hub, events=events, batch=batch, listeners=listeners))
                await mesh.stop()
    return {kind: min(spent) for kind, spent in found.items()}


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.statistics", description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=4_000, help="events a round (4000)")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of each kind (7)")
    options = parser.parse_args()
    print("| events at once | sessions that hear them | without, us | with, us | counting alone, us |")
    print("|---|---|---|---|---|")
    for batch in (1, 20, 100):
        for listeners in (1, 18):
            found = asyncio.run(measure(events=options.events, rounds=options.rounds, batch=batch, listeners=listeners))
            counting = alone(batch=batch, listeners=listeners)
            print(f"| {batch} | {listeners} | {found['without']:.1f} | {found['with']:.1f} | {counting:.2f} |")


if __name__ == "__main__":
    main()
