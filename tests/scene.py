"""A system that runs, to somebody who asks it, attaches to it, or runs a program beside it."""

import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from certs.tls import client_context
from ipc import IPCWorker
from ipc.transports.websocket import WebSocketTransport

TIMEOUT_S: Final = 20.0
OPERATOR: Final = {"X-IPC-Request": "true"}


@dataclass(frozen=True)
class Scene:
    """Where it is, and what its programs run in."""

    folder: Path
    environment: Mapping[str, str]
    port: int

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"wss://localhost:{self.port}"

    @property
    def certs_dir(self) -> Path:
        return self.folder / "var/certs"

    @property
    def ca_file(self) -> Path:
        return self.certs_dir / "ca-cert.pem"

    @property
    def redis_url(self) -> str:
        return self.secret("redis_url")

    def secret(self, name: str) -> str:
        return (self.folder / "var/secrets" / name).read_text().strip()

    def transport(self, service: str) -> WebSocketTransport:
        return WebSocketTransport(self.socket_url, service, ca_file=self.ca_file)

    @asynccontextmanager
    async def worker(self, worker: IPCWorker) -> AsyncIterator[IPCWorker]:
        """A worker that is ready."""
        await worker.start(self.transport(worker.service))
        try:
            await worker.ready()
            yield worker
        finally:
            await worker.stop()

    async def ask(self, method: str, path: str, headers: Mapping[str, str] = OPERATOR, body: Any = None) -> Any:
        """Ask over HTTP, and return the answer."""
        async with httpx.AsyncClient(verify=client_context(self.ca_file), timeout=TIMEOUT_S, trust_env=False) as client:
            return (await client.request(method, self.url + path, headers=headers, json=body)).json()

    def fail(self, *command: str) -> str:
        """Run what fails, and return what it says."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode != 0, done.stdout
        return done.stdout + done.stderr
