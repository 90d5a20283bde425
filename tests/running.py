"""A program that goes on while its reader reads on, and what it says in the meantime."""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from exprsn.supervision.leash import leashed
from tests.leaks import output
from tests.printed import end_of

TIMEOUT_S: Final = 120.0
STOP_TIMEOUT_S: Final = 20.0

Find = Callable[[Sequence[str]], int | None]
"""From lines to the place after those that were looked for, None where they are not there yet."""


class Running:
    """A program that goes on while the reader reads on; its lines are kept as they come."""

    def __init__(self, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self._lines: list[str] = []
        self._shown = 0
        self._more = threading.Condition()
        self._process = subprocess.Popen(
            leashed(command),
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def until_it_has_said(self, sentence: str) -> None:
        """Wait until a line has had a sentence in it, whenever that was."""
        self._wait(lambda lines: 0 if any(sentence in line for line in lines) else None, sentence, since=0)

    def until_it_shows(self, shown: str) -> None:
        """Wait for these lines after those that were shown before, in their order, with any others between them."""
        self._wait(lambda lines: end_of(shown, lines), shown, since=self._shown)

    def stop(self) -> None:
        """Press Ctrl-C where it runs, and wait for its end."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            raise AssertionError(f"it does not stop:\n{self.said()}") from None
        finally:
            self._thread.join(STOP_TIMEOUT_S)

    def said(self) -> str:
        return "\n".join(self._lines)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                output.info(line)
                with self._more:
                    self._lines.append(line.rstrip("\n"))
                    self._more.notify_all()
        self._process.wait()
        with self._more:
            self._more.notify_all()

    def _wait(self, found: Find, what: str, *, since: int) -> None:
        end: list[int] = []

        def is_there() -> bool:
            position = found(self._lines[since:])
            end.extend(() if position is None else [since + position])
            return bool(end) or self._process.poll() is not None

        with self._more:
            self._more.wait_for(is_there, TIMEOUT_S)
            assert end, f"it does not say {what!r}, but:\n{self.said()}"
            self._shown = max(self._shown, end[0])
