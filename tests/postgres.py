"""A throw-away PostgreSQL server, where its programs are installed."""

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.ports import free_port

START_TIMEOUT_S = 60
_NOBODY = 65534
_IS_ROOT = os.geteuid() == 0


def find_programs() -> Path | None:
    """Return the folder that has ``initdb`` and ``postgres``, the newest of several, or None."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@contextlib.contextmanager
def postgres_server(programs: Path) -> Iterator[str]:
    """Run a server on a free port of 127.0.0.1 and hand out its ``DATABASE_URL``."""
    with tempfile.TemporaryDirectory(prefix="exprsn-postgres-", ignore_cleanup_errors=True) as folder:
        root = Path(folder)
        if _IS_ROOT:
            os.chown(root, _NOBODY, _NOBODY)
        password = root / "password"
        password.write_text("test\n")
        password.chmod(0o644)
        initdb: list[str | Path] = [
            programs / "initdb",
            "-D",
            root / "data",
            "-U",
            "test",
            "-A",
            "scram-sha-256",
            "-E",
            "UTF8",
        ]
        with _started([*initdb, "--no-sync", f"--pwfile={password}"], root, "initdb.log") as process:
            if process.wait(START_TIMEOUT_S) != 0:
                raise RuntimeError(f"initdb failed:\n{(root / 'initdb.log').read_text()}")
        port = free_port()
        server: list[str | Path] = [
            programs / "postgres",
            "-D",
            root / "data",
            "-h",
            "127.0.0.1",
            "-p",
            str(port),
            "-k",
            root,
        ]
        with _started([*server, "-c", "fsync=off"], root, "server.log") as process:
            _wait_for(port, process, root / "server.log")
            yield f"postgres://test:test@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def _started(command: Sequence[str | Path], root: Path, log: str) -> Iterator[subprocess.Popen[bytes]]:
    with (root / log).open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=stream,
            cwd=root,
            env={**os.environ, "LC_ALL": "C", "HOME": str(root)},
            # PostgreSQL refuses to run as root.
            user=_NOBODY if _IS_ROOT else None,
            group=_NOBODY if _IS_ROOT else None,
            extra_groups=[] if _IS_ROOT else None,
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(START_TIMEOUT_S)


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="test", password="test", dbname="postgres").close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from None
            time.sleep(0.05)
        else:
            return
