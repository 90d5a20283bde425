"""Run a command that the kernel ends when its starter is gone, so that even kill -9 of the starter leaves nothing.

A program of its own, because ``preexec_fn`` is not safe in a process with threads (docs.python.org, subprocess.Popen).
Linux only; elsewhere the command runs without a leash.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final

PR_SET_PDEATHSIG: Final = 1
NOT_FOUND: Final = 127


def leashed(command: Sequence[str]) -> tuple[str, ...]:
    """Return the command line that runs a command on a leash held by this process.

    Start it from a thread that stays, such as the main one: the kernel watches the thread (prctl(2), PR_SET_PDEATHSIG).
    """
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), *command)


def main(arguments: Sequence[str]) -> None:
    """Put this process on the leash and become the command; ``arguments`` are the starter's pid and the command."""
    starter, *command = arguments
    if sys.platform == "linux":
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
        # The starter may have gone before the kernel was told.
        if os.getppid() != int(starter):
            sys.exit("the process that started this is gone")
    # Python ignores SIGPIPE, and what is ignored stays so in the command.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - to become the command, without a shell, is the purpose
    except OSError as error:
        print(f"cannot run {command[0]}: {error.strerror}", file=sys.stderr)  # noqa: T201 - a program's own error
        sys.exit(NOT_FOUND)


if __name__ == "__main__":
    main(sys.argv[1:])
