"""Auto-reload that stops cleanly: Django's own kills the server on SIGTERM, Ctrl-C and each reload, in mid-request."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from django.core.management.base import CommandError
from django.utils import autoreload

# The application may take 8 s for its own drain.
_STOP_S: Final = 9
_STOP_AGAIN_S: Final = 0.1
_KILL_S: Final = 10
_RELOAD: Final = 3
"""The exit code by which Django's reloader asks to be started again."""
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def run_with_reload(serve: Callable[[], None], stop: Callable[[], None]) -> None:
    """Serve in a child process that is started again whenever a file changes; ``stop`` asks ``serve`` to return."""
    if os.environ.get(autoreload.DJANGO_AUTORELOAD_ENV) == "true":
        _serve_until_change(serve, stop)
    else:
        sys.exit(_Supervisor().run())


class _Supervisor:
    """The parent: starts the child again, and hands signals on to it."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def run(self) -> int:
        """Return the exit code of the last child."""
        for number in _SIGNALS:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGALRM, self._kill)
        environment = {**os.environ, autoreload.DJANGO_AUTORELOAD_ENV: "true"}
        while True:
            self._child = subprocess.Popen(autoreload.get_child_arguments(), env=environment)  # noqa: S603 - ourselves
            if self._stopping:
                self._child.terminate()
            code = self._child.wait()
            if self._stopping:
                return 0
            if code != _RELOAD:
                return code

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        signal.alarm(_KILL_S)
        if self._child is not None:
            self._child.terminate()

    def _kill(self, _number: int, _frame: FrameType | None) -> None:
        if self._child is not None:
            self._child.kill()


def _serve_until_change(serve: Callable[[], None], stop: Callable[[], None]) -> None:
    """Serve in a thread of Django's reloader, which watches in this one and leaves it by SystemExit."""
    finished, stopping = threading.Event(), threading.Event()

    def main() -> None:
        try:
            serve()
        except CommandError as error:
            # sys.exit would only end this thread.
            sys.stderr.write(f"CommandError: {error}\n")
            sys.stderr.flush()
            os._exit(error.returncode)
        finally:
            finished.set()
        if not stopping.is_set():
            # It ended by itself: so does the process, rather than watch files for nothing.
            os.kill(os.getpid(), signal.SIGTERM)

    for number in _SIGNALS:
        signal.signal(number, _leave)
    try:
        autoreload.start_django(autoreload.get_reloader(), main)
    finally:
        stopping.set()
        deadline = time.monotonic() + _STOP_S
        # Again and again: a server that is only just starting has nothing to stop yet.
        while not finished.wait(_STOP_AGAIN_S) and time.monotonic() < deadline:
            stop()


def _leave(_number: int, _frame: FrameType | None) -> None:
    # Ctrl-C comes from the terminal and from the parent: once is enough.
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    sys.exit(0)
