"""A lock on a file, so that only one process at a time does what must not be done twice at once."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Self


class AlreadyLockedError(Exception):
    """Another process holds the lock; ``pid`` is the one that took it, where that is known."""

    def __init__(self, path: Path, pid: str) -> None:
        super().__init__(f"{path} is locked by process {pid or 'unknown'}")
        self.pid = pid


class FileLock:
    """An exclusive lock; it ends with the last process that has its descriptor open, so a crash leaves none behind."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def descriptor(self) -> int:
        """The open file, to be handed to a child that shall hold the lock too."""
        if self._descriptor is None:
            raise RuntimeError(f"{self._path} is not locked")
        return self._descriptor

    def acquire(self) -> None:
        """Take the lock and write this process's id into the file.

        Raises:
            AlreadyLockedError: another process holds it.
            OSError: the file cannot be opened.

        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            os.close(descriptor)
            if error.errno == errno.EWOULDBLOCK:
                raise AlreadyLockedError(self._path, holder) from error
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; without a lock this does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.release()
