"""What the delivery ledger costs a group: CPU time of the hub's process and of Valkey, in all and for the record alone.

Run with ``python -m bench.ledger``. CPU time and not speed, because a machine that does other things, too, falsifies
the latter more; and of each the cheapest round counts, the one that was disturbed least. The record is measured by
itself, because it is less than the rounds differ.
"""

import argparse
import asyncio
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any, Final, cast

from redis.asyncio import Redis

from exprsn.embedded import EmbeddedValkey
from ipc.hub.bookkeeping import Bookkeeping
from ipc.hub.clock import SystemClock
from ipc.hub.hub import Hub
from ipc.hub.mesh import Mesh
from ipc.hub.notes import Notes
from ipc.hub.session import Identity, Origin
from ipc.stores.connection import Command, connect, execute
from ipc.stores.ledger_record import commands_for

SERVICE: Final = "exprsn-herald"
DEADLINE_S: Final = 120.0
TURNS: Final = 200
_DELIVERY: Final = re.compile(r'"delivery":"(\d+)"')


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of CPU time for each event, from its emit to its acknowledgement."""

    hub_us: float
    valkey_us: float


class Acknowledging:
    """The other end of a member's session: it acknowledges what it is handed, a frame with a frame."""

    def __init__(self, hub: Hub) -> None:
        self.handled = 0
        self.moved = asyncio.Event()
        self._hub = hub
        identity = Identity(service=SERVICE, permissions=frozenset({"*"}))
        self.session = hub.attach(self, identity, Origin(door="bench", pid=0, hostname="bench"))

    async def send(self, frame: str) -> None:
        """Take a frame."""
        if deliveries := _DELIVERY.findall(frame):
            self.handled += len(deliveries)
            quoted = '","'.join(deliveries)
            await self._hub.receive(self.session, f'{{"type":"ack","deliveries":["{quoted}"]}}')
            self.moved.set()
        elif '"type":"ping"' in frame:
            await self._hub.receive(self.session, f'{{"type":"pong","sent":{self.session.sent_bytes}}}')

    async def close(self, code: int, reason: str) -> None:
        """End: nothing of the bench closes a session."""
        sys.exit(f"the hub closed the session: {code} {reason}")


async def run(hub: Hub, valkey_pid: int, *, events: int, batch: int) -> Cost:
    """Emit events in frames of ``batch``, one after the other is handled, to a group of two members."""
    members = [Acknowledging(hub) for _ in range(2)]
    for member in members:
        subscription = '{"type":"subscribe","id":"s","events":["post:*"],"group":"bench","credit":200}'
        await hub.receive(member.session, subscription)
    emit = '{"type":"emit","event":"post:created","target":"herald","data":{"id":"f451988a-3068","content":"Hello"}}'
    began = _hub_ns(), _valkey_ns(valkey_pid)
    for sent in range(batch, events + 1, batch):
        await hub.receive(members[0].session, "\n".join([emit] * batch))
        async with asyncio.timeout(DEADLINE_S):
            while sum(member.handled for member in members) < sent:
                moved = [asyncio.ensure_future(member.moved.wait()) for member in members]
                await asyncio.wait(moved, return_when=asyncio.FIRST_COMPLETED)
                for waiting, member in zip(moved, members, strict=True):
                    waiting.cancel()
                    member.moved.clear()
    ended = _hub_ns(), _valkey_ns(valkey_pid)
    for member in members:
        await hub.detach(member.session)
    return Cost(*((end - begin) / 1000 / events for begin, end in zip(began, ended, strict=True)))


async def record_alone(client: Redis, *, batch: int, rounds: int) -> Cost:
    """Return what it costs to record acknowledgements, and nothing else, the least of some rounds."""
    group = SimpleNamespace(service=SERVICE, name="alone", notes=Notes(SystemClock()))
    books = Bookkeeping(cast(Any, group), hub_id="", ledger=cast(Any, None), clock=SystemClock())
    deliveries = [_acknowledged(number) for number in range(batch)]
    connection = await client.connection_pool.get_connection()  # type: ignore[no-untyped-call]  # as redis ships it
    hub_us, valkey_us = [], []
    commands: list[Command] = []
    for _ in range(rounds):
        began = _hub_ns()
        for _ in range(TURNS):
            group.notes.acked.extend(deliveries)
            commands = commands_for(f"{SERVICE}/alone", *books.take()[1:])
            connection.pack_commands(commands)
        hub_us.append((_hub_ns() - began) / 1000 / TURNS / batch)
        await client.config_resetstat()
        await execute(client, *commands * TURNS)
        stats = await client.info("commandstats")
        valkey_us.append(stats["cmdstat_xadd"]["usec_per_call"] / batch)
    await client.connection_pool.release(connection)
    return Cost(min(hub_us), min(valkey_us))


def _acknowledged(number: int) -> Any:
    """Return a delivery as two members acknowledge it, some in a millisecond."""
    position = f"1795467976{100 + number // 8}-{number % 8}"
    instance = f"{SERVICE}:01M853P7DDDKSMG3K1Y6PCRTT{number % 2}"
    entry = SimpleNamespace(position=position)
    return SimpleNamespace(log=SERVICE, entry=entry, instance=instance, attempt=1, is_noted=False)


async def measure(*, events: int, batch: int, rounds: int) -> tuple[Cost, Cost]:
    """Return what an event costs in all, the least of some rounds, and what of it is the record."""
    with TemporaryDirectory() as directory, EmbeddedValkey(Path(directory)) as valkey:
        mesh = await Mesh(valkey.url).start()
        client = connect(valkey.url)
        try:
            pid = int((await client.info("server"))["process_id"])
            costs = [await run(mesh.hub, pid, events=events, batch=batch) for _ in range(rounds)]
            alone = await record_alone(client, batch=batch, rounds=rounds)
        finally:
            await client.aclose()
            await mesh.stop()
    return Cost(min(cost.hub_us for cost in costs), min(cost.valkey_us for cost in costs)), alone


def _hub_ns() -> int:
    return time.process_time_ns()


def _valkey_ns(pid: int) -> int:
    """Return how long a process has run, in nanoseconds (Linux, Documentation/scheduler/sched-stats.rst)."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat"))


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.ledger", description=__doc__)
    parser.add_argument("--events", type=int, default=5_000, help="events of a round (5000)")
    parser.add_argument("--rounds", type=int, default=20, help="rounds, of which the cheapest counts (20)")
    options = parser.parse_args()
    print("| events at once | process | an event in all, us | of that the record, us |\n|---|---|---|---|")
    for batch in (1, 20, 100):
        events = options.events // (5 if batch == 1 else 1)
        whole, record = asyncio.run(measure(events=events, batch=batch, rounds=options.rounds))
        print(f"| {batch} | the hub and its members | {whole.hub_us:.1f} | {record.hub_us:.2f} |")
        print(f"| {batch} | Valkey | {whole.valkey_us:.1f} | {record.valkey_us:.2f} |")


if __name__ == "__main__":
    main()
