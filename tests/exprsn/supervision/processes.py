"""Real programs for the tests of supervision, and waiting for the end of processes that are not one's own."""

import asyncio
import os
import select
import sys
from pathlib import Path

from exprsn.supervision.child import Program

DEADLINE_S = 20
# Says that it is ready by making a file, and then does as it is told by its first argument.
SCRIPT = """
import pathlib, signal, sys, time
ready, behaviour = pathlib.Path(sys.argv[1]), sys.argv[2]
def stop(*_):
    if behaviour != "stubborn":
        print("stopping", flush=True)
        sys.exit(0)
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, lambda *_: print("interrupted", flush=True))
print("started", flush=True)
ready.touch()
if behaviour == "dies":
    sys.exit(7)
while True:
    signal.pause()
"""


class Lines:
    """An output that keeps its lines and can be waited on."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self._news = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def line(self, name: str, text: str) -> None:
        """Keep a line."""
        self.lines.append((name, text))
        task = asyncio.get_running_loop().create_task(self._tell())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()

    async def until(self, name: str, text: str) -> None:
        """Wait for a line."""
        async with asyncio.timeout(DEADLINE_S), self._news:
            await self._news.wait_for(lambda: (name, text) in self.lines)

    def of(self, name: str) -> list[str]:
        """Return the lines of one program."""
        return [text for each, text in self.lines if each == name]


def script(name: str, directory: Path, behaviour: str = "stops") -> Program:
    """Return a program that behaves in one of the ways of SCRIPT."""
    ready = directory / f"{name}.ready"

    async def is_ready() -> bool:
        return ready.exists()

    return Program(
        name=name,
        command=(sys.executable, "-u", "-c", SCRIPT, str(ready), behaviour),
        environment={"PATH": os.environ["PATH"]},
        is_ready=is_ready,
    )


def python(name: str, code: str) -> Program:
    """Return a program of a few lines that is ready at once."""

    async def is_ready() -> bool:
        return True

    return Program(
        name=name,
        command=(sys.executable, "-u", "-c", code),
        environment={"PATH": os.environ["PATH"]},
        is_ready=is_ready,
    )


def assert_ends(pid: int) -> None:
    """Wait for the end of any process."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([pidfd], [], [], DEADLINE_S)[0], f"process {pid} is still running"
    finally:
        os.close(pidfd)
