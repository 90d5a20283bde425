"""The services as processes of their own, for tests: started on a free port, stopped by their process id."""

import functools
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Self

import httpx
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

from certs.tls import client_context
from exprsn.supervision.leash import leashed
from tests.ports import free_port

ROOT = Path(__file__).parent.parent
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.05

# uvicorn as the documentation recommends it, with the frames of `bridge.doors.frames`, and with its own.
Kind = Literal["daphne", "uvicorn", "uvicorn-plain"]
KINDS: tuple[Kind, ...] = ("daphne", "uvicorn", "uvicorn-plain")
# The last differs in how it reads the frames of sockets, and so in nothing for what goes by HTTP.
HTTP_KINDS = KINDS[:2]
WS_PROTOCOLS: dict[Kind, str] = {"uvicorn": "bridge.doors.frames:FrameProtocol", "uvicorn-plain": "websockets-sansio"}


class ServerProcess:
    """A server that can be started again on its port; leaving the block stops it.

    Args:
        command: what to run.
        environment: added to this process's own.
        port: where it will answer HTTPS.
        ca_file: the CA of its certificate.
        log: where its output goes, that of all its runs.

    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], *, port: int, ca_file: Path, log: Path
    ) -> None:
        self.port = port
        self.redirect_port = int(environment.get("TIMELINE_REDIRECT_PORT", "0"))
        self.url = f"https://localhost:{port}"
        self.ws_url = f"wss://localhost:{port}"
        self.ca_file = ca_file
        self.trust: ssl.SSLContext = client_context(ca_file, shown=_localhost(ca_file.parent))
        self.command = command
        self._environment = {**os.environ, **environment}
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def process(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "it was never started"
        return self._process

    @property
    def environment(self) -> dict[str, str]:
        """What it runs in, for a command beside it."""
        return dict(self._environment)

    def start(self) -> None:
        """Start the server and wait until it answers, healthy or not."""
        self.launch()
        self.wait()

    def launch(self) -> None:
        """Start the server, from the main thread: its leash is held by the thread."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                leashed(self.command),
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> None:
        """Wait until the server answers."""
        give_up_at = time.monotonic() + START_TIMEOUT_S
        while self.health() is None:
            assert self.process.poll() is None, f"the server ended:\n{self.output()}"
            assert time.monotonic() < give_up_at, f"the server does not answer:\n{self.output()}"
            time.sleep(POLL_S)

    def get(self, path: str, **options: object) -> httpx.Response:
        return self.request("GET", path, **options)

    def request(self, method: str, path: str, **options: object) -> httpx.Response:
        with httpx.Client(base_url=self.url, verify=self.trust, timeout=15, trust_env=False) as client:
            return client.request(method, path, **options)  # type: ignore[arg-type]  # passed on as they are

    def health(self) -> int | None:
        """Return the status of its health, or None where there is no answer."""
        try:
            return self.get("/health").status_code
        except httpx.TransportError:
            return None

    def becomes(self, status: int, *, timeout_s: float = 30.0) -> None:
        """Wait until its health has a status."""
        give_up_at = time.monotonic() + timeout_s
        while (found := self.health()) != status:
            assert time.monotonic() < give_up_at, f"health is {found}, not {status}:\n{self.output()}"
            time.sleep(POLL_S)

    def until_metrics_have(self, name: str, *, timeout_s: float = 30.0) -> str:
        """Wait until its metrics have one of a name, and return them all."""
        give_up_at = time.monotonic() + timeout_s
        while f"\n{name}" not in (text := self.get("/metrics").text):
            assert time.monotonic() < give_up_at, f"there is no {name}:\n{text}"
            time.sleep(POLL_S)
        return text

    def terminate(self) -> int:
        """Ask the server to stop, and return its exit code; 0 also for uvicorn, which ends by the signal it got."""
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(STOP_TIMEOUT_S)
        return 0 if code == -signal.SIGTERM and "uvicorn" in self.command else code

    def kill(self) -> None:
        """End the server as a crash would."""
        self.process.kill()
        self.process.wait()

    def output(self) -> str:
        """Return what it has said."""
        return self._log.read_text(errors="replace")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()


def bridge(kind: Kind, redis_url: str, certs_dir: Path, var_dir: Path, **settings: str) -> ServerProcess:
    """Return a bridge behind a server of a kind, with a var/ of its own and, unless a database is there already, a
    migrated one; other settings go by their names."""
    port = free_port()
    if kind == "daphne":
        command = [sys.executable, "manage.py", "runserver", "--noreload"]
    else:
        command = [sys.executable, "-m", "uvicorn", "exprsn.asgi:application", "--port", str(port)]
        command += ["--ws", WS_PROTOCOLS[kind], "--ws-max-size", str(2 * 1024 * 1024), "--no-access-log"]
        command += ["--no-server-header", "--no-proxy-headers", "--ws-ping-interval", "0"]
        if kind == "uvicorn":
            command += ["--ws-per-message-deflate", "false", "--http", "bridge.doors.heads:HeadProtocol"]
        command += ["--ssl-certfile", str(certs_dir / "localhost-cert.pem")]
        command += ["--ssl-keyfile", str(certs_dir / "localhost-key.pem")]
        if settings.get("IPC_MTLS") == "true":
            command += ["--ssl-cert-reqs", "2", "--ssl-ca-certs", str(certs_dir / "ca-cert.pem")]
    environment = {
        **_environment(redis_url, certs_dir, var_dir),
        "EXPRSN_SERVICE": "bridge",
        "BRIDGE_PORT": str(port),
        **settings,
    }
    if not (var_dir / "db.sqlite3").exists():
        make_database(var_dir)
    return _server(command, environment, port, certs_dir, var_dir)


def timeline(redis_url: str, certs_dir: Path, var_dir: Path, **settings: str) -> ServerProcess:
    """Return a Timeline with a migrated database of its own."""
    port = free_port()
    environment = {
        **_environment(redis_url, certs_dir, var_dir),
        "EXPRSN_SERVICE": "timeline",
        "TIMELINE_PORT": str(port),
        "TIMELINE_REDIRECT_PORT": str(free_port()),
        **settings,
    }
    command = [sys.executable, "manage.py", "runserver", "--noreload", "--service", "timeline"]
    make_database(var_dir)
    return _server(command, environment, port, certs_dir, var_dir)


def make_database(var_dir: Path) -> None:
    """Give a server the database that `manage.py migrate` makes."""
    var_dir.mkdir(parents=True, exist_ok=True)
    shutil.copy(_migrated(), var_dir / "db.sqlite3")


@functools.cache
def _migrated() -> Path:
    """Make it once in a process of tests: copying is quicker."""
    folder = Path(tempfile.mkdtemp(dir=settings.VAR_DIR))
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
        cwd=ROOT,
        env={**os.environ, **_environment("", folder, folder)},
        check=True,
        timeout=START_TIMEOUT_S,
    )
    return folder / "db.sqlite3"


def certificates(directory: Path) -> Path:
    """Put a CA with the certificates of the two services and of localhost somewhere, and return where they are.

    The CA is the same for all tests of a process: the keys take a third of a second to find.
    """
    return shutil.copytree(_certificates(), directory, dirs_exist_ok=True)


def own_certificates(directory: Path) -> Path:
    """Make the same of a CA that nobody else has."""
    with override_settings(CERTS_DIR=directory):
        call_command("gencerts", service=["bridge", "timeline", "localhost"], verbosity=0)
    return directory


@functools.cache
def _certificates() -> Path:
    return own_certificates(Path(tempfile.mkdtemp(dir=settings.VAR_DIR)))


def _localhost(certs_dir: Path) -> tuple[Path, Path]:
    return certs_dir / "localhost-cert.pem", certs_dir / "localhost-key.pem"


def _server(
    command: Sequence[str], environment: Mapping[str, str], port: int, certs_dir: Path, var_dir: Path
) -> ServerProcess:
    var_dir.mkdir(parents=True, exist_ok=True)
    return ServerProcess(command, environment, port=port, ca_file=certs_dir / "ca-cert.pem", log=var_dir / "server.log")


def _environment(redis_url: str, certs_dir: Path, var_dir: Path) -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "exprsn.settings",
        "PYTHONUNBUFFERED": "1",
        "EXPRSN_ENV": "development",
        "DEBUG": "false",
        "DEV_BYPASS": "true",
        "IPC_BYPASS_AUTH": "true",
        # Tests share bridges and services; those of the limits switch them on.
        "IPC_RATE_LIMIT": "false",
        "REDIS_URL": redis_url,
        "BRIDGE_URL": "",
        # Whatever database the tests themselves run on, a server has a file of its own.
        "DATABASE_URL": "",
        "VAR_DIR": str(var_dir),
        "CERTS_DIR": str(certs_dir),
    }
