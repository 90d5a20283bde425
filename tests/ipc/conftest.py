"""What the tests of the library share: clients of the real Valkey, and whole hubs on it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from redis.asyncio import Redis

from ipc.hub import hub as hub_module
from ipc.hub.hub import Hub
from ipc.hub.mesh import Mesh, redis_stores
from ipc.stores.connection import connect
from ipc.stores.eventlog import EventLog
from tests.ipc.exchange import Exchange

MakeHub = Callable[..., Awaitable[Hub]]
MakeMesh = Callable[..., Awaitable[Mesh]]


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
            mesh = await Mesh(url, **options).start()
            stack.push_async_callback(mesh.stop)
            return mesh

        yield make
