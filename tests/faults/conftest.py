"""What the days that go wrong have in common: a bridge, a Valkey that can be stopped, and a worker that listens."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis

from exprsn.embedded import EmbeddedValkey
from ipc import EventContext, IPCWorker
from ipc.transports.base import Transport
from ipc.transports.local import MeshTransport
from ipc.transports.websocket import WebSocketTransport
from tests import servers
from tests.servers import ServerProcess

DEADLINE_S = 90.0


async def kill_and_restart(valkey: EmbeddedValkey) -> None:
    """Kill Valkey with -9 under load, and start it on what it has written.

    With ``everysec`` it may put a write off while the disk is busy with the last one; not so from here on, or a test on
    a slow disk would lose what it was answered.
    """
    async with redis.Redis.from_url(valkey.url) as client:
        await client.config_set("appendfsync", "always")
    valkey.kill()
    valkey.start()


class Heard:
    """What a worker was handed, in order, and a way to wait for it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []
        self.ids: list[str] = []
        self._changed = asyncio.Condition()

    async def take(self, data: Any, ctx: EventContext) -> None:
        async with self._changed:
            self.events.append((ctx.event, data))
            self.ids.append(ctx.id)
            self._changed.notify_all()

    async def until(self, is_enough: Callable[["Heard"], bool], what: str) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S), self._changed:
                await self._changed.wait_for(lambda: is_enough(self))
        except TimeoutError:
            raise AssertionError(f"never heard {what}; {len(self.events)} events, at last {self.events[-3:]}") from None

    async def count(self, count: int) -> None:
        await self.until(lambda heard: len(heard.events) >= count, f"{count} events")


@asynccontextmanager
async def running(worker: IPCWorker, transport: Transport) -> AsyncIterator[IPCWorker]:
    """Run a worker, ready when the block begins."""
    await worker.start(transport)
    try:
        async with asyncio.timeout(DEADLINE_S):
            await worker.ready()
        yield worker
    finally:
        await worker.stop()


@pytest.fixture(scope="session")
def certs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the servers serve and their clients trust."""
    return servers.certificates(tmp_path_factory.mktemp("faults-certs"))


@pytest.fixture
def bridge(own_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    """A bridge on a Valkey of the test's own; nothing that happens to it is worth a traceback."""
    with servers.bridge("daphne", own_valkey.url, certs_dir, tmp_path / "bridge") as server:
        yield server
    assert "Traceback" not in server.output()


@pytest.fixture
def timeline(own_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    """A Timeline on the same Valkey."""
    with servers.timeline(own_valkey.url, certs_dir, tmp_path / "timeline") as server:
        yield server
    assert "Traceback" not in server.output()


Listening = Callable[..., AbstractAsyncContextManager[Heard]]


@pytest.fixture
def listening(bridge: ServerProcess) -> Listening:
    """Listen to events through the bridge, as a service."""

    @asynccontextmanager
    async def listen(service: str, *patterns: str) -> AsyncIterator[Heard]:
        worker, heard = IPCWorker(service), Heard()
        worker.on(*patterns)(heard.take)
        async with running(worker, WebSocketTransport(bridge.ws_url, service, ca_file=bridge.ca_file)):
            yield heard

    return listen


@asynccontextmanager
async def emitting(
    service: str, *, bridge: ServerProcess | None = None, redis_url: str = ""
) -> AsyncIterator[IPCWorker]:
    """Run a worker that only emits, through the bridge or with a hub of its own."""
    transport: Transport = (
        WebSocketTransport(bridge.ws_url, service, ca_file=bridge.ca_file)
        if bridge is not None
        else MeshTransport(redis_url, service)
    )
    async with running(IPCWorker(service), transport) as worker:
        yield worker
