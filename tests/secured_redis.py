"""A throw-away Redis with TLS and users, where one is installed: the Valkey of the wheel is built without TLS."""

import hashlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import redis
from django.core.management import call_command
from django.test import override_settings

from exprsn.supervision.leash import leashed
from tests.ports import free_port

START_TIMEOUT_S = 30.0
USER, PASSWORD = "exprsn", "a/p@ss w?rd:1#%"
DEFAULT_PASSWORD = "another-p4ssword"
# As docs/howto/production.md has it.
RIGHTS = "resetkeys ~ipc:* resetchannels &ipc* +@all -@admin -@dangerous +info"


@dataclass(frozen=True)
class SecuredRedis:
    """Where it listens, and the CA of its certificate."""

    port: int
    ca_file: Path

    def url(self, user: str = USER, password: str = PASSWORD, *, ca_file: Path | None = None) -> str:
        """Return the address for a user, or for the default one."""
        who = f"{user}:{quote(password, safe='')}"
        return f"rediss://{who}@localhost:{self.port}/0?ssl_ca_certs={quote(str(ca_file or self.ca_file))}"


def find_server() -> str | None:
    """Return a server that is installed, or None."""
    return shutil.which("redis-server") or shutil.which("valkey-server")


@contextmanager
def secured_redis(program: str, directory: Path) -> Iterator[SecuredRedis]:
    """Run a server on a free port of 127.0.0.1."""
    with override_settings(CERTS_DIR=directory):
        call_command("gencerts", service=["localhost"], verbosity=0)
    server = SecuredRedis(free_port(), directory / "ca-cert.pem")
    (directory / "users.acl").write_text(
        f"user default on #{_hashed(DEFAULT_PASSWORD)} ~* &* +@all\nuser {USER} on #{_hashed(PASSWORD)} {RIGHTS}\n"
    )
    configuration = directory / "redis.conf"
    configuration.write_text(
        f'bind 127.0.0.1\nport 0\ntls-port {server.port}\ndir "{directory}"\naclfile "{directory}/users.acl"\n'
        f'tls-cert-file "{directory}/localhost-cert.pem"\ntls-key-file "{directory}/localhost-key.pem"\n'
        f'tls-ca-cert-file "{server.ca_file}"\ntls-auth-clients no\nsave ""\nappendonly yes\n'
    )
    log = directory / "redis.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            leashed([program, str(configuration)]), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _wait(server, process, log)
        yield server
    finally:
        process.terminate()
        process.wait(START_TIMEOUT_S)


def _wait(server: SecuredRedis, process: "subprocess.Popen[bytes]", log: Path) -> None:
    give_up_at = time.monotonic() + START_TIMEOUT_S
    with redis.Redis.from_url(server.url("default", DEFAULT_PASSWORD)) as client:
        while True:
            try:
                client.ping()
            except redis.ConnectionError:
                assert process.poll() is None, f"Redis ended:\n{log.read_text()}"
                assert time.monotonic() < give_up_at, f"Redis does not answer:\n{log.read_text()}"
                time.sleep(0.02)
            else:
                return


def _hashed(password: str) -> str:
    return hashlib.sha256(password.encode()).hexdigest()
