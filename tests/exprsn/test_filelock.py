"""Locks on files: exclusive, honest about their holder, and gone with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from exprsn.filelock import AlreadyLockedError, FileLock


def test_a_second_lock_is_refused_and_names_the_holder(tmp_path: Path) -> None:
    with FileLock(tmp_path / "lock"), pytest.raises(AlreadyLockedError) as refused:
        FileLock(tmp_path / "lock").acquire()
    assert refused.value.pid == str(os.getpid())


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    for _ in range(2):
        with FileLock(tmp_path / "lock"):
            pass


def test_a_process_that_inherited_the_lock_keeps_it(tmp_path: Path) -> None:
    """The taker may go: as long as the inheritor runs, nobody else gets in."""
    lock = FileLock(tmp_path / "lock")
    lock.acquire()
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, pass_fds=[lock.descriptor]
    ) as inheritor:
        lock.release()
        with pytest.raises(AlreadyLockedError):
            FileLock(tmp_path / "lock").acquire()
        inheritor.kill()
    with FileLock(tmp_path / "lock"):
        pass


def test_what_is_not_locked_has_no_descriptor(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="is not locked"):
        _ = FileLock(tmp_path / "lock").descriptor
