"""A whole system of the test's own, as ``manage.py up`` runs it."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.exprsn.conftest import ROOT
from tests.leaks import output

UP = (sys.executable, "manage.py", "up")
UP_SENTENCE = "Ctrl-C stops everything."


@contextmanager
def running(environment: Mapping[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """The system, from its banner on."""
    with subprocess.Popen(
        UP,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            read_until(process, UP_SENTENCE)
            yield process
        finally:
            process.kill()


def read_until(process: "subprocess.Popen[str]", sentence: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        output.info(line)
        if sentence in line:
            return lines
    raise AssertionError(f"the system ended without saying {sentence!r}:\n{''.join(lines)}")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
