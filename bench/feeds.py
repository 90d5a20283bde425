"""What the console costs: a bridge under full load, with its overview open in some browsers and in none, in turn.

Run with ``python -m bench.feeds``. Beside the speed it reports the CPU time of the bridge for each delivery, because a
machine that does other things, too, falsifies the former more.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from bench.bridge import ours_env, start_ours
from bench.servers import ROOT, Server, last_line, start_valkey
from bench.wires import NativeWire
from bench.workloads import WORKLOADS, Bench, Load

TARGETED: Final = next(workload for workload in WORKLOADS if workload.key == "targeted")
PREPARE: Final = """
import json
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.core.management import call_command

call_command("migrate", verbosity=0)
user = User.objects.create_superuser("bench")
session = SessionStore()
session["_auth_user_id"], session["_auth_user_hash"] = str(user.pk), user.get_session_auth_hash()
session["_auth_user_backend"] = "ipc.django_app.logins.LimitedModelBackend"
session.create()
print(json.dumps(session.session_key))
"""


class Found(NamedTuple):
    """What came of a run."""

    rate: float
    cpu_us: float
    events: int
    """That the feeds have sent, all together."""


async def prepare(folder: Path) -> str:
    """Make the database of the bridge, and return the key of somebody's session."""
    command = [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", PREPARE]
    env = {**os.environ, **ours_env(folder / "var"), "REDIS_URL": ""}
    (folder / "var").mkdir()
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    key: str = json.loads(output)
    return key


@contextlib.asynccontextmanager
async def feeds(bridge: Server, session: str, count: int) -> AsyncIterator[list[int]]:
    """Have the overview open so many times; what is yielded counts the events of each feed."""
    seen = [0] * count
    tasks = [asyncio.create_task(_listen(bridge, session, seen, number)) for number in range(count)]
    while tasks and not all(seen):
        await asyncio.sleep(0.05)
        if ended := [task for task in tasks if task.done()]:
            sys.exit(f"a feed ended: {ended[0].exception()}; {last_line(bridge.log)}")
    try:
        yield seen
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(bridge: Server, session: str, seen: list[int], number: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", bridge.port)
    try:
        writer.write(
            b"GET /admin/console/feed?about=overview HTTP/1.1\r\nHost: localhost\r\n"
            b"Accept: text/event-stream\r\nCookie: sessionid=" + session.encode() + b"\r\n\r\n"
        )
        while line := await reader.readline():
            seen[number] += line.startswith(b"data:")
        raise ConnectionError("the bridge has closed it")
    finally:
        writer.close()


def cpu_s(server: Server) -> float:
    """Return the CPU time of a server's process up to now (proc_pid_stat(5))."""
    fields = Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def run(bridge: Server, session: str, count: int, seconds: float) -> Found:
    """Give the bridge its load with so many feeds open."""
    async with feeds(bridge, session, count) as seen, Bench(NativeWire, bridge.port, None) as bench:
        await bench.run(TARGETED, Load(events=10_000, seconds=0.3, window=200, sample_every=1_000))
        began_s, before = cpu_s(bridge), sum(seen)
        load = Load(events=10_000_000, seconds=seconds, window=200, sample_every=1_000)
        measured = await bench.run(TARGETED, load)
        spent_s = cpu_s(bridge) - began_s
    return Found(measured.rate, spent_s * 1e6 / measured.deliveries, sum(seen) - before)


async def measure(*, browsers: int, rounds: int, seconds: float) -> dict[int, list[Found]]:
    """Return what came of each round, without and with the browsers."""
    found: dict[int, list[Found]] = {0: [], browsers: []}
    with TemporaryDirectory() as name:
        folder = Path(name)
        session = await prepare(folder)
        valkey = await start_valkey(folder)
        bridge = await start_ours("ours", valkey, server="uvicorn", folder=folder)
        try:
            for number in range(rounds):
                # Each goes first half of the time.
                for count in sorted(found, reverse=number % 2 == 1):
                    found[count].append(await run(bridge, session, count, seconds))
        finally:
            await bridge.stop()
            await valkey.stop()
    return found


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.feeds", description=__doc__.splitlines()[0])
    parser.add_argument("--browsers", type=int, default=3, help="how many have the overview open (3)")
    parser.add_argument("--rounds", type=int, default=10, help="rounds of each kind (10)")
    parser.add_argument("--seconds", type=float, default=3.0, help="seconds a round (3)")
    options = parser.parse_args()
    found = asyncio.run(measure(browsers=options.browsers, rounds=options.rounds, seconds=options.seconds))
    print("| browsers | events/s, median | CPU of the bridge for each, us: median | least | events of the feeds |")
    print("|---|---|---|---|---|")
    for count, runs in found.items():
        cpu = [each.cpu_us for each in runs]
        rate = statistics.median(each.rate for each in runs)
        said = sum(each.events for each in runs)
        print(f"| {count} | {rate:,.0f} | {statistics.median(cpu):.2f} | {min(cpu):.2f} | {said} |")


if __name__ == "__main__":
    main()
