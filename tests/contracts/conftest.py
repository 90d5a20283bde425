"""Every test of the contract runs on each backend."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from ipc.hub.stores import GroupStore, LogStore, RegistryStore, Stores
from tests.contracts.backends import Backend, MemoryBackend, RegistryMaker, ValkeyBackend

MakeBackend = Callable[..., Backend]


@pytest.fixture(params=["valkey", "memory"])
async def make_backend(request: pytest.FixtureRequest) -> AsyncIterator[MakeBackend]:
    """Make a backend whose logs keep as much as the test says."""
    async with AsyncExitStack() as stack:

        def make(*, log_maxlen: int = 100_000, log_ttl_s: int = 86_400) -> Backend:
            if request.param == "memory":
                return MemoryBackend(stack, log_maxlen=log_maxlen, log_ttl_s=log_ttl_s)
            url = request.getfixturevalue("redis_url")
            return ValkeyBackend(url, stack, log_maxlen=log_maxlen, log_ttl_s=log_ttl_s)

        if request.param == "valkey":
            request.getfixturevalue("redis_url")
        yield make


@pytest.fixture
async def backend(make_backend: MakeBackend) -> Backend:
    return make_backend()


@pytest.fixture
async def stores(backend: Backend) -> Stores:
    return backend.stores()


@pytest.fixture
async def eventlog(stores: Stores) -> LogStore:
    return stores.eventlog


@pytest.fixture
async def groups(stores: Stores) -> GroupStore:
    return stores.groups


@pytest.fixture
async def registry(stores: Stores) -> RegistryStore:
    return stores.registry


@pytest.fixture
def make_registry(backend: Backend) -> RegistryMaker:
    return backend.registry
