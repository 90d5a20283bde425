"""The command as a process of its own, as a terminal or a script runs it."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from io import StringIO
from queue import Queue
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from tests.clients import DEADLINE_S
from tests.servers import ROOT, Kind, ServerProcess

START_S = 60.0


class Tail:
    """A running `ipc tail`, whose lines are read as they come."""

    def __init__(self, bridge: ServerProcess, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "ipc", "tail", *arguments],
            cwd=ROOT, env=environment(bridge), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
        )  # fmt: skip
        self._lines: Queue[str] = Queue()
        self._notes: Queue[str] = Queue()
        self._readers = [
            threading.Thread(target=_read, args=each)
            for each in ((self.process.stdout, self._lines), (self.process.stderr, self._notes))
        ]
        for reader in self._readers:
            reader.start()

    def line(self) -> str:
        return self._lines.get(timeout=START_S)

    def event(self) -> dict[str, Any]:
        """Return the next event of `--json`, except those of hubs."""
        while (event := json.loads(self.line()))["event"].startswith("service:"):
            pass
        return dict(event)

    def note(self) -> str:
        return self._notes.get(timeout=START_S)

    def interrupt(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.ended()

    def ended(self) -> int:
        return self.process.wait(DEADLINE_S)

    def rest(self) -> list[str]:
        """Return what was said on standard error, when it has ended."""
        for reader in self._readers:
            reader.join(DEADLINE_S)
        return [self._notes.get() for _ in range(self._notes.qsize())]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for reader, stream in zip(self._readers, (self.process.stdout, self.process.stderr), strict=True):
            reader.join()
            if stream is not None:
                stream.close()


def _read(stream: Any, lines: "Queue[str]") -> None:
    for line in stream:
        lines.put(line.rstrip("\n"))


def environment(bridge: ServerProcess) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "exprsn.settings",
        "EXPRSN_ENV": "development",
        "BRIDGE_URL": bridge.ws_url,
        "CERTS_DIR": str(bridge.ca_file.parent),
    }


def ipc(bridge: ServerProcess, *arguments: str, **options: Any) -> "subprocess.CompletedProcess[str]":
    """Run the command until it ends."""
    return subprocess.run(
        [sys.executable, "manage.py", "ipc", *arguments],
        cwd=ROOT, env=environment(bridge), capture_output=True, text=True, check=False, timeout=START_S, **options,
    )  # fmt: skip


def complaint(bridge: ServerProcess, *arguments: str) -> tuple[str, int]:
    """Run the command in this process, which is quicker; return what it complains of, and its exit code."""
    with pytest.raises(CommandError) as refused:
        call_command("ipc", *arguments, "--ca-file", str(bridge.ca_file), stdout=StringIO())
    return str(refused.value), refused.value.returncode


@pytest.fixture(scope="session")
def bridge(shared_bridge: Callable[[Kind], ServerProcess]) -> ServerProcess:
    """One bridge: what commands do does not depend on its server."""
    return shared_bridge("daphne")


@pytest.fixture
def tail() -> Iterator[Callable[..., Tail]]:
    """Start tails; they are ended after the test."""
    started: list[Tail] = []

    def start(bridge: ServerProcess, *arguments: str) -> Tail:
        started.append(Tail(bridge, *arguments))
        return started[-1]

    yield start
    for each in started:
        each.close()
