"""What the tests of the library share: clients of the real Valkey, whole hubs on it, and workers on those."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from ipc import EventContext, IPCWorker
from ipc.hub import hub as hub_module
from ipc.hub.hub import Hub
from ipc.hub.mesh import Mesh, redis_stores
from ipc.protocol.limits import Limits
from ipc.stores.connection import connect
from ipc.stores.eventlog import EventLog
from ipc.transports.local import LocalTransport
from tests.ipc.exchange import Exchange
from tests.ipc.handled import Handled
from tests.ipc.peers import GUARD_S

MakeHub = Callable[..., Awaitable[Hub]]
MakeMesh = Callable[..., Awaitable[Mesh]]
StartWorker = Callable[..., Awaitable[None]]


@pytest.fixture(autouse=True)
def cancel_again_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client of Redis swallows a cancellation while it connects, which hubs that live this shortly often do."""
    monkeypatch.setattr("ipc.hub.tasks.CANCEL_AGAIN_S", 0.02)


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[Redis]:
    """A client as the library makes it, on an empty database."""
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def eventlog(redis_client: Redis) -> EventLog:
    return EventLog(redis_client)


@pytest.fixture
def exchange() -> Exchange:
    """What connects the hubs of `make_hub`."""
    return Exchange()


@pytest.fixture
def no_reconcile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hubs look for missed events only when a test tells them to."""
    monkeypatch.setattr(hub_module, "RECONCILE_S", 3_600.0)


@pytest.fixture
async def make_hub(redis_url: str, exchange: Exchange) -> AsyncIterator[MakeHub]:
    """Start hubs that are connected by the test's exchange, on the real Valkey."""
    async with AsyncExitStack() as stack:

        async def make(url: str = redis_url, **options: Any) -> Hub:
            client = connect(url)
            stack.push_async_callback(client.aclose)
            kept = {name: options.pop(name) for name in ("log_maxlen", "log_ttl_s") if name in options}
            layer = options.pop("layer", None) or exchange.layer()
            # A test that ends does not wait for answers to what its members hold.
            options.setdefault("limits", Limits(drain_ms=1))
            # What a test reads from a log is what it has put there.
            options.setdefault("announces", False)
            hub = Hub(stores=redis_stores(client, **kept), channel_layer=layer, **options)
            await hub.start()
            stack.push_async_callback(hub.stop)
            return hub

        yield make


@pytest.fixture
async def hub(make_hub: MakeHub) -> Hub:
    return await make_hub()


@pytest.fixture
async def make_mesh(redis_url: str) -> AsyncIterator[MakeMesh]:
    """Start hubs that are connected by the channel layer of production."""
    async with AsyncExitStack() as stack:

        async def make(url: str = redis_url, **options: Any) -> Mesh:
            options.setdefault("announces", False)
            mesh = await Mesh(url, **options).start()
            stack.push_async_callback(mesh.stop)
            return mesh

        yield make


@pytest.fixture
def handled() -> Handled:
    return Handled()


@pytest.fixture
def worker(handled: Handled) -> IPCWorker:
    """A herald that keeps the data of all post events."""
    worker = IPCWorker("herald")

    @worker.on("post:*")
    async def handle(data: Any, ctx: EventContext) -> None:
        await handled(data)

    return worker


@pytest.fixture
async def start() -> AsyncIterator[StartWorker]:
    """Start workers on a hub of this process; they are stopped at the end."""
    async with AsyncExitStack() as stack:

        async def start(worker: IPCWorker, hub: Hub) -> None:
            await worker.start(LocalTransport(hub, worker.service))
            stack.push_async_callback(worker.stop)
            async with asyncio.timeout(GUARD_S):
                await worker.ready()

        yield start
