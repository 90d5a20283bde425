"""``python -m bench.jsonlex``: JSONLex beside JSON Logic, CEL and the same thing written by hand, each compiled once.

The peers run in an interpreter and a virtual environment of their own, outside the project.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from bench import report
from bench.npm import peers_dir
from bench.peers.expressions import EVENT, PEERS, PERSON, POPULAR, POSTS, SEED, plain, seconds
from ipc.jsonlex import compile_expression, compile_where

REQUIREMENTS: Final = Path(__file__).resolve().parent / "peers" / "requirements.txt"
PROGRAM: Final = Path(__file__).resolve().parent / "peers" / "expressions.py"
RESULTS: Final = Path(__file__).resolve().parent / "results" / "jsonlex.json"
INSTALL_TIMEOUT_S: Final = 300
PEER_TIMEOUT_S: Final = 600
TASKS: Final = ("seed", "where", "filter_map")

SEED_EXPRESSION: Final = {
    "fullName": {"$concat": [{"$var": "firstName"}, " ", {"$var": "lastName"}]},
    "isAdult": {"$gte": [{"$var": "age"}, 18]},
}
WHERE: Final = {"$and": [{"$eq": [{"$var": "data.visibility"}, "public"]}, {"$gt": [{"$var": "data.likeCount"}, 10]}]}
FILTER_MAP: Final = {
    "$map": {
        "array": {"$filter": {"array": {"$var": "posts"}, "condition": {"$gt": [{"$var": "item.likes"}, 50]}}},
        "expr": {"$mul": [{"$var": "item.likes"}, 2]},
    }
}

Tasks = Mapping[str, tuple[Callable[[], Any], Any]]


def ours() -> Tasks:
    """Return the tasks in JSONLex, with what each gives."""
    seed = compile_expression({"__jsonlex": True, "expr": SEED_EXPRESSION})
    where = compile_where(WHERE)
    filter_map = compile_expression({"__jsonlex": True, "expr": FILTER_MAP})
    return {
        "seed": (lambda: seed.evaluate(PERSON).value, SEED),
        "where": (lambda: where.matches(EVENT), True),
        "filter_map": (lambda: filter_map.evaluate(POSTS).value, POPULAR),
    }


def by_hand() -> Tasks:
    """Return the tasks as somebody would write them who knows what the context is."""
    person: dict[str, Any] = PERSON
    event: dict[str, Any] = EVENT
    return {
        "seed": (
            lambda: {"fullName": f"{person['firstName']} {person['lastName']}", "isAdult": person["age"] >= 18},
            SEED,
        ),
        "where": (lambda: event["data"]["visibility"] == "public" and event["data"]["likeCount"] > 10, True),
        "filter_map": (lambda: [post["likes"] * 2 for post in POSTS["posts"] if post["likes"] > 50], POPULAR),
    }


def timed(tasks: Tasks) -> dict[str, float | str]:
    """Return the seconds of each task, once it has given what it should."""
    found: dict[str, float | str] = {}
    for name, (run, expected) in tasks.items():
        result = plain(run())
        found[name] = seconds(run) if result == expected else f"gives {str(result)[:80]}"
    return found


def peers(folder: Path) -> dict[str, dict[str, float | str]]:
    """Return the same of the peers, installed into a virtual environment first where they are not.

    Raises:
        OSError: they cannot be installed or run.
        subprocess.SubprocessError: likewise.

    """
    python = folder / "bin" / "python"
    stamp = folder / ".installed"
    if not stamp.exists() or stamp.read_bytes() != REQUIREMENTS.read_bytes():
        print(f"  installing the peers into {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=INSTALL_TIMEOUT_S)
        install = [str(python), "-m", "pip", "install", "--quiet", "--requirement", str(REQUIREMENTS)]
        subprocess.run(install, check=True, timeout=INSTALL_TIMEOUT_S)
        stamp.write_bytes(REQUIREMENTS.read_bytes())
    output = subprocess.run(
        [str(python), str(PROGRAM), *PEERS], check=True, timeout=PEER_TIMEOUT_S, stdout=subprocess.PIPE
    ).stdout
    return dict(json.loads(output))


def ratios(found: Mapping[str, Mapping[str, float | str]]) -> dict[str, dict[str, float]]:
    """Return how many times as long as ours each of the others takes, with three significant digits."""
    mine = found["jsonlex"]
    return {
        name: {
            task: float(f"{value / own:.3g}")
            for task, value in times.items()
            if isinstance(value, float) and isinstance(own := mine.get(task), float)
        }
        for name, times in found.items()
        if name != "jsonlex"
    }


def table(found: Mapping[str, Mapping[str, float | str]]) -> str:
    """Return microseconds for people, each with how many times as long as ours that is."""
    times = ratios(found)
    rows = [f"{'microseconds':<18}" + "".join(f"{task:>24}" for task in TASKS)]
    for name, values in found.items():
        cells = []
        for task in TASKS:
            value = values.get(task, "-")
            multiple = f" ({times[name][task]:g}x)" if name in times and task in times[name] else ""
            cells.append(f"{f'{value * 1e6:,.2f}{multiple}' if isinstance(value, float) else value[:22]:>24}")
        rows.append(f"{name:<18}" + "".join(cells))
    return "\n".join(rows)


def main(arguments: list[str]) -> int:
    """Measure, print, and write the results where asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.jsonlex", description=(__doc__ or "").split("\n", maxsplit=1)[0]
    )
    parser.add_argument("--peers-dir", type=Path, default=peers_dir() / "expressions", help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=RESULTS, help="default: %(default)s")
    options = parser.parse_args(arguments)
    found: dict[str, dict[str, float | str]] = {"jsonlex": timed(ours()), "by hand": timed(by_hand())}
    skipped = {}
    try:
        found |= peers(options.peers_dir)
    except (OSError, subprocess.SubprocessError) as error:
        skipped["peers"] = str(error)
        print(f"  the peers are skipped: {error}", flush=True)
    print(table(found))
    machine = report.machine(node=None, nats_server=None)
    results = {"seconds": found, "ratios": ratios(found), "skipped": skipped, "machine": machine}
    options.output.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
