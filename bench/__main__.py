"""``python -m bench``: the same work for our bridge and its peers, at once on one machine, and what came of it."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvloop

from bench import comparisons, report
from bench.bridge import make_certificate
from bench.nats import nats_version
from bench.npm import node_version
from bench.options import Options, parse
from bench.servers import ServerError, Tls
from bench.subjects import BASELINES, PAIRS, SUBJECTS, Connect, Place, Subject
from bench.workloads import Part, Plan, Workload, part_of

NOTES: Final = """\
Rates count over all receivers (broadcast: eighteen); the window is 200 events, 64 calls. *_20 sends 20 events a frame;
Socket.IO has no such frame, so it gets 20 frames at a time. An echo has no data; at our Socket.IO door it is the
answer to an expression. Its emits ask for no ipc:ack, since the peer sends none. Ours appends every event to its log
first; nobody else but JetStream keeps events. Durable has at most 200 emits unanswered and two members of a group, who
acknowledge each event; our Valkey then writes to its append-only file and syncs it every second, JetStream's files are
synced every two minutes. A raw client is the benchmark's own, which looks at as few bytes as it can; IPCWorker and
JetStream's Node and Python clients are what a service would use. All nodes of Moleculer share one process of Node,
where ours are a bridge and a driver. Only ratios of one run can be compared."""


@dataclass(frozen=True, slots=True)
class Running:
    """A subject whose server runs."""

    subject: Subject
    connect: Connect


async def _start_all(
    subjects: Sequence[Subject], folder: Path, peers_dir: Path, stack: AsyncExitStack
) -> tuple[list[Running], dict[str, str]]:
    running: list[Running] = []
    skipped: dict[str, str] = {}
    certificate: Tls | None = None
    print("starting the servers", flush=True)
    for subject in subjects:
        own_folder = folder / subject.name
        own_folder.mkdir(parents=True)
        try:
            async with AsyncExitStack() as own:
                if subject.tls and certificate is None:
                    certificate = await make_certificate(folder)
                tls = certificate if subject.tls else None
                connect = await subject.start(Place(subject.name, own_folder, peers_dir, own, tls))
                stack.push_async_callback(own.pop_all().aclose)
        except ServerError as error:
            skipped[f"{subject.name} ({subject.part})"] = str(error)
            print(f"  {subject.name} is skipped: {error}", flush=True)
            continue
        running.append(Running(subject, connect))
        print(f"  {subject.name} runs", flush=True)
    return running, skipped


async def _measure(target: Running, workload: Workload, phases: Plan, round_number: int) -> report.Run:
    name, key = target.subject.name, workload.key
    try:
        async with target.connect() as bench:
            warm_up = await bench.run(workload, phases.warm_up)
            if warm_up.lost:
                failure = f"stalled in the warm-up, {warm_up.lost} lost"
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
                run = await _measure(target, workload, options.plan(workload), round_number)
                runs.append(run)
                if not run.is_clean:
                    print(f"  {run.subject} {run.workload}: {run.failure or f'{run.lost} lost'}", flush=True)
    return runs


async def _run_part(options: Options, folder: Path, part: Part) -> tuple[list[report.Run], dict[str, str]]:
    """Start what is to be compared, give it all of its workloads, and stop it."""
    workloads = [workload for workload in options.workloads if workload.part is part]
    subjects = [subject for subject in options.subjects if subject.part is part]
    if not workloads or not subjects:
        return [], {}
    async with AsyncExitStack() as stack:
        running, skipped = await _start_all(subjects, folder, options.peers_dir, stack)
        return (await _run_all(options, running, workloads) if running else []), skipped


def _title_of(subject: str, workload: str) -> str:
    return next(each.title for each in SUBJECTS if each.name == subject and each.part is part_of(workload))


def _baseline_of(workload: str) -> str:
    return BASELINES[part_of(workload)]


async def _results(runs: Sequence[report.Run], found: comparisons.Found, skipped: Mapping[str, str]) -> dict[str, Any]:
    return report.document(
        runs,
        ratios={comparison.name: value for comparison, value in found},
        compares={
            comparison.name: f"{comparison.ours} / {comparison.peer}: {comparison.says}" for comparison, _ in found
        },
        pairs=PAIRS,
        skipped=skipped,
        machine=report.machine(node=await node_version(), nats_server=await nats_version()),
    )


async def _main(options: Options) -> int:
    # Being stopped is like Ctrl-C: the servers are stopped first.
    if task := asyncio.current_task():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    runs: list[report.Run] = []
    skipped: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="exprsn-bench-") as folder:
        for part in Part:
            measured, missing = await _run_part(options, Path(folder) / part, part)
            runs += measured
            skipped |= missing
    if not runs:
        print("no server runs, so there is nothing to measure", file=sys.stderr)
        return 1
    found = comparisons.found(runs)
    results = await _results(runs, found, skipped)
    print("\n" + report.table(report.lines(runs), _title_of, _baseline_of) + "\n\n" + NOTES + "\n")
    for pair, values in results["pairs"].items():
        print(f"rates, {pair}: {values}")
    for name, why in skipped.items():
        print(f"skipped: {name}: {why}")
    if options.output:
        report.write(results, options.output)
        print(f"written to {options.output}")
    print("\n" + comparisons.summary(found))
    ours = [run for run in runs if run.subject.startswith("ours")]
    is_missing = any(name.startswith("ours") for name in skipped)
    return 1 if is_missing or not all(run.is_clean for run in ours) else 0


if __name__ == "__main__":
    try:
        sys.exit(uvloop.run(_main(parse(sys.argv[1:]))))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
