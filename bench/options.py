"""The command line of the benchmark."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.npm import peers_dir
from bench.subjects import SUBJECTS, Subject
from bench.workloads import WORKLOADS, Plan, Workload, plan

DESCRIPTION: Final = "The same work for our bridge and its peers, at once on one machine, and what came of it."
RESULTS: Final = Path(__file__).resolve().parent / "results" / "latest.json"


@dataclass(frozen=True, slots=True)
class Options:
    """The command line, checked."""

    subjects: tuple[Subject, ...]
    workloads: tuple[Workload, ...]
    rounds: int
    events: int
    seconds: float
    peers_dir: Path
    output: Path | None

    def plan(self, workload: Workload) -> Plan:
        """Return the phases of a run of a workload."""
        return plan(events=self.events, seconds=self.seconds, window=workload.window)


def parse(arguments: Sequence[str]) -> Options:
    """Return the options of a command line; argparse ends the program on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=DESCRIPTION)
    parser.add_argument("--quick", action="store_true", help="one short round, under two minutes; nothing is written")
    parser.add_argument("--tls", action="store_true", help="also ours and Socket.IO over TLS")
    parser.add_argument("--only", metavar="NAMES", default="", help="servers and workloads by name, divided by commas")
    parser.add_argument("--rounds", type=_positive, help="how often everything is repeated (3)")
    parser.add_argument("--events", type=_positive, default=100_000, help="at most so many events a run (100000)")
    parser.add_argument("--seconds", type=_positive_seconds, help="at most so many seconds a run (0.9)")
    parser.add_argument("--peers-dir", type=Path, default=peers_dir(), help="where npm packages go (%(default)s)")
    parser.add_argument("--output", type=Path, help=f"where to write results (a whole run: {RESULTS.name})")
    given = parser.parse_args(arguments)
    names = {name.strip() for name in given.only.split(",") if name.strip()}
    known = {subject.name for subject in SUBJECTS} | {workload.key for workload in WORKLOADS}
    if unknown := names - known:
        parser.error(f"--only: there is no {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}")
    is_whole = not given.quick and not names
    return Options(
        subjects=tuple(s for s in SUBJECTS if s.name in names) or tuple(s for s in SUBJECTS if given.tls or not s.tls),
        workloads=tuple(w for w in WORKLOADS if w.key in names) or WORKLOADS,
        rounds=given.rounds or (1 if given.quick else 3),
        events=given.events,
        seconds=given.seconds or (0.3 if given.quick else 0.9),
        peers_dir=given.peers_dir,
        output=given.output or (RESULTS if is_whole else None),
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a number of 1 or more")
    return value


def _positive_seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < 3600:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds between 0 and 3600")
    return value
