"""The leash: whatever ends the starter ends the command."""

import signal
import subprocess
import sys

from exprsn.supervision import leash
from tests.exprsn.supervision.processes import assert_ends


def test_the_command_is_what_runs_in_the_end() -> None:
    """Same process id, its own arguments, its own exit code."""
    with subprocess.Popen(
        leash.leashed([sys.executable, "-c", "import os, sys; print(os.getpid(), sys.argv[1]); sys.exit(3)", "a b"]),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        out, _ = process.communicate(timeout=20)
    assert (out, process.returncode) == (f"{process.pid} a b\n", 3)


def test_kill_9_of_the_starter_ends_the_command() -> None:
    starter = (
        "import subprocess, sys; from exprsn.supervision.leash import leashed;"
        "p = subprocess.Popen(leashed(['sleep', '600']), start_new_session=True); print(p.pid, flush=True); p.wait()"
    )
    with subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    assert_ends(pid)


def test_a_starter_that_went_before_the_leash_was_on_starts_nothing() -> None:
    command = list(leash.leashed(["true"]))
    command[4] = "1"
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stderr) == (1, "the process that started this is gone\n")


def test_a_command_that_does_not_exist_is_one_clear_sentence() -> None:
    ended = subprocess.run(leash.leashed(["/no/such/program"]), check=False, capture_output=True, text=True, timeout=20)
    assert (ended.returncode, ended.stderr) == (127, "cannot run /no/such/program: No such file or directory\n")
