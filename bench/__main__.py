"""``python -m bench``: the same work for our bridge and its peers, at once on one machine, and what came of it."""

import asyncio
import signal
import ssl
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvloop

from bench import report
from bench.nats import nats_version
from bench.options import Options, parse
from bench.servers import Server, ServerError, Tls, start_valkey
from bench.socketio import node_version
from bench.subjects import (
    BASELINE,
    DURABLE_BASELINE,
    OURS,
    PAIRS,
    SUBJECTS,
    Place,
    Subject,
    baseline_of,
    make_certificate,
)
from bench.workloads import DURABLE, Plan, Workload

NOTES: Final = """\
Deliveries are counted over all receivers (echo and targeted: one, broadcast: eighteen); the window is 200 events.
*_20 sends 20 events a frame; Socket.IO has no such frame, so it gets 20 frames at a time. An echo has no data.
Ours appends every event to its log first; nobody else but JetStream keeps events. Durable has at most 200 emits
unanswered and two members of a group, who acknowledge each event; our Valkey then writes to its append-only file and
syncs it every second, JetStream's files are synced every two minutes. Only ratios of one run can be compared."""


@dataclass(frozen=True, slots=True)
class Running:
    """A subject whose server runs."""

    subject: Subject
    place: Place
    server: Server
    tls: ssl.SSLContext | None


async def _start_all(
    subjects: Sequence[Subject], place: Place, stack: AsyncExitStack
) -> tuple[list[Running], dict[str, str]]:
    running: list[Running] = []
    skipped: dict[str, str] = {}
    certificate: Tls | None = None
    for subject in subjects:
        try:
            if subject.tls and certificate is None:
                certificate = await make_certificate(place.folder)
            server = await subject.start(place, subject.name, certificate if subject.tls else None)
        except ServerError as error:
            skipped[subject.name] = str(error)
            print(f"  {subject.name} is skipped: {error}", flush=True)
            continue
        stack.push_async_callback(server.stop)
        context = ssl.create_default_context(cafile=certificate.ca) if subject.tls and certificate else None
        running.append(Running(subject, place, server, context))
        print(f"  {subject.name} runs", flush=True)
    return running, skipped


async def _measure(target: Running, workload: Workload, phases: Plan, round_number: int) -> report.Run:
    name, key = target.subject.name, workload.key
    try:
        async with target.subject.connect(target.place, target.server, target.tls) as bench:
            warm_up = await bench.run(workload, phases.warm_up)
            if warm_up.lost:
                failure = f"stalled in the warm-up, {warm_up.lost} deliveries lost"
                return report.Run(subject=name, workload=key, round=round_number, failure=failure)
            unloaded = await bench.run(workload, phases.unloaded)
            loaded = await bench.run(workload, phases.loaded)
    except OSError as error:
        failure = f"{type(error).__name__}: {error}"
        return report.Run(subject=name, workload=key, round=round_number, failure=failure)
    return report.Run(subject=name, workload=key, round=round_number, unloaded=unloaded, loaded=loaded)


async def _run_all(options: Options, running: Sequence[Running], workloads: Sequence[Workload]) -> list[report.Run]:
    runs = []
    for round_number in range(options.rounds):
        print(f"round {round_number + 1} of {options.rounds}", flush=True)
        # The order turns from round to round, so that no server always runs after the same other one.
        start = round_number % len(running)
        for workload in workloads:
            for target in (*running[start:], *running[:start]):
                run = await _measure(target, workload, options.plan, round_number)
                runs.append(run)
                if not run.is_clean:
                    print(f"  {run.subject} {run.workload}: {run.failure or f'{run.lost} lost'}", flush=True)
    return runs


async def _run_part(options: Options, folder: Path, *, is_durable: bool) -> tuple[list[report.Run], dict[str, str]]:
    """Start what is to be compared, give it all of its workloads, and stop it."""
    workloads = [workload for workload in options.workloads if is_durable == (workload is DURABLE)]
    subjects = [subject for subject in options.subjects if subject.is_durable == is_durable]
    if not workloads or not subjects:
        return [], {}
    async with AsyncExitStack() as stack:
        valkey = await start_valkey(folder, is_durable=is_durable)
        stack.push_async_callback(valkey.stop)
        print("starting the servers", flush=True)
        running, skipped = await _start_all(subjects, Place(folder, options.peers_dir, valkey), stack)
        return (await _run_all(options, running, workloads) if running else []), skipped


async def _main(options: Options) -> int:
    # Being stopped is like Ctrl-C: the servers are stopped first.
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    runs: list[report.Run] = []
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="exprsn-bench-") as folder:
        for is_durable in (False, True):
            part, missing = await _run_part(options, Path(folder), is_durable=is_durable)
            runs += part
            skipped |= missing
    if not runs:
        print("no server runs, so there is nothing to measure", file=sys.stderr)
        return 1
    machine = report.machine(node=await node_version(), nats_server=await nats_version())
    results = report.document(runs, ours=OURS, baseline_of=baseline_of, pairs=PAIRS, skipped=skipped, machine=machine)
    titles = {subject.name: subject.title for subject in SUBJECTS}
    print("\n" + report.table(report.lines(runs), titles, baseline_of) + "\n\n" + NOTES)
    print(f"\nratios, {OURS} / {BASELINE}, durable / {DURABLE_BASELINE}: {results['ratios']}")
    for pair, values in results["pairs"].items():
        print(f"ratios, {pair}: {values}")
    for name, why in skipped.items():
        print(f"skipped: {name}: {why}")
    if options.output:
        report.write(results, options.output)
        print(f"written to {options.output}")
    ours = [run for run in runs if run.subject.startswith("ours")]
    is_missing = any(name.startswith("ours") for name in skipped)
    return 1 if is_missing or not all(run.is_clean for run in ours) else 0


if __name__ == "__main__":
    try:
        sys.exit(uvloop.run(_main(parse(sys.argv[1:]))))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
    except ServerError as error:
        sys.exit(f"Valkey does not run: {error}")
