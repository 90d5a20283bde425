"""`manage.py runserver` as a process, and the lines that it says."""

import os
import queue
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Self

from tests.leaks import output

ROOT = Path(__file__).parent.parent.parent
DEADLINE_S = 30
_ANNOUNCED = re.compile(r"exprsn-(\w+): (https?)://([^/]+):(\d+)/(?:, and http://[^/]+:(\d+)/ redirects there)?;")


class Served:
    """A running server; leaving the block ends it."""

    def __init__(self, certs_dir: Path, *arguments: str, **environment: str) -> None:
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "tests.certs.project",
            "TEST_APPLICATION": "tests.certs.application",
            "CERTS_DIR": str(certs_dir),
            **environment,
        }
        environment.setdefault("PYTHONPATH", str(ROOT))
        environment.pop("EXPRSN_SERVICE", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "django", "runserver", *arguments],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said: list[str] = []
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            output.info(line)
            self._lines.put(line)
        self._lines.put(None)

    def line(self, *, timeout_s: float = DEADLINE_S) -> str | None:
        """Return the next line, or None at the end; queue.Empty when none comes in time."""
        line = self._lines.get(timeout=timeout_s)
        if line is not None:
            self.said.append(line)
        return line

    def hears(self, word: str) -> str:
        """Return the next line with the word in it."""
        while (line := self.line()) is not None:
            if word in line:
                return line
        raise AssertionError(f"it ended without saying {word!r}: {''.join(self.said)}")

    def listens(self) -> tuple[str, int, int | None]:
        """Return the address, the port and the redirect's port of the next announcement."""
        return announced(self.hears("CONTROL-C stops it"))

    def ends(self, number: signal.Signals | None = None) -> int:
        """Send a signal and return the exit code."""
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(DEADLINE_S)

    def output(self) -> str:
        """Return all that was said, once it has ended."""
        while self.line() is not None:
            pass
        return "".join(self.said)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


def announced(line: str) -> tuple[str, int, int | None]:
    """Return what an announcement says: address, port, redirect's port."""
    found = _ANNOUNCED.match(line)
    assert found is not None, line
    return f"{found[2]}://localhost:{found[4]}", int(found[4]), int(found[5]) if found[5] else None
