"""What the contract is tested on: the real Valkey, and the twins that `ipc.testing` ships."""

import time
from contextlib import AsyncExitStack
from typing import Protocol

from ipc.hub.hub import Hub
from ipc.hub.mesh import Mesh, redis_stores
from ipc.hub.stores import RegistryStore, Stores
from ipc.stores.audit import Audit, AuditTrail
from ipc.stores.connection import connect
from ipc.stores.dead_letter import DeadLetter
from ipc.stores.dead_letter_filter import DeadLetterFilter
from ipc.stores.dead_letters import DeadLetters
from ipc.stores.operations import Operations
from ipc.stores.rate_limit import RateLimits, RateLimitStore
from ipc.stores.registry import GRACE_S, TTL_S, Registry
from ipc.stores.token_records import TokenRecords, TokenRecordStore
from ipc.testing.audit import MemoryAudit
from ipc.testing.channels import MemoryChannels
from ipc.testing.dead_letters import MemoryDeadLetters
from ipc.testing.declarations import MemoryDeclarations
from ipc.testing.eventlog import MemoryEventLog
from ipc.testing.group_states import MemoryGroupStates
from ipc.testing.groups import MemoryGroups
from ipc.testing.ledger import MemoryLedger
from ipc.testing.operations import MemoryOperationIndex
from ipc.testing.rate_limit import MemoryRateLimits
from ipc.testing.registry import MemoryRegistry
from ipc.testing.resources import MemoryResources
from ipc.testing.shares import MemoryShares
from ipc.testing.statistics import MemoryStatistics
from ipc.testing.streams import Streams
from ipc.testing.token_records import MemoryTokenRecords

MAX_DEAD = 100


class RegistryMaker(Protocol):
    """Makes registries of one mesh, each as another process has it."""

    def __call__(self, *, ttl_s: float = TTL_S, grace_s: float = GRACE_S) -> RegistryStore:
        """Return one."""


class Backend(Protocol):
    """Something that holds logs, groups and a registry, empty at first."""

    def stores(self) -> Stores:
        """Return the stores as another process has them."""

    def registry(self, *, ttl_s: float = TTL_S, grace_s: float = GRACE_S) -> RegistryStore:
        """Return the registry as a process of other patience has it."""

    def token_records(self) -> TokenRecordStore:
        """Return what is remembered of tokens, as another process has it."""

    def rate_limits(self) -> RateLimitStore:
        """Return how many messages services may send, as another process has it."""

    def audit(self) -> AuditTrail:
        """Return the audit trail, as another process has it."""

    async def hub(self) -> Hub:
        """Return another started hub."""

    async def dead_letters(self, service: str, group: str) -> list[DeadLetter]:
        """Return what a group has given up."""


class ValkeyBackend:
    """A database of the real server; each process has a client of its own."""

    def __init__(self, url: str, stack: AsyncExitStack, *, log_maxlen: int, log_ttl_s: int) -> None:
        self._url = url
        self._stack = stack
        self._log_maxlen = log_maxlen
        self._log_ttl_s = log_ttl_s

    def stores(self) -> Stores:
        client = connect(self._url)
        self._stack.push_async_callback(client.aclose)
        return redis_stores(client, log_maxlen=self._log_maxlen, log_ttl_s=self._log_ttl_s)

    def registry(self, *, ttl_s: float = TTL_S, grace_s: float = GRACE_S) -> RegistryStore:
        client = connect(self._url)
        self._stack.push_async_callback(client.aclose)
        return Registry(client, ttl_s=ttl_s, grace_s=grace_s)

    def token_records(self) -> TokenRecordStore:
        client = connect(self._url)
        self._stack.push_async_callback(client.aclose)
        return TokenRecords(client)

    def rate_limits(self) -> RateLimitStore:
        client = connect(self._url)
        self._stack.push_async_callback(client.aclose)
        return RateLimits(client)

    def audit(self) -> AuditTrail:
        client = connect(self._url)
        self._stack.push_async_callback(client.aclose)
        return Audit(client)

    async def hub(self) -> Hub:
        mesh = await Mesh(self._url, log_maxlen=self._log_maxlen, log_ttl_s=self._log_ttl_s).start()
        self._stack.push_async_callback(mesh.stop)
        return mesh.hub

    async def dead_letters(self, service: str, group: str) -> list[DeadLetter]:
        client = connect(self._url)
        try:
            page = await DeadLetters(client).find(DeadLetterFilter.of(service=service, group=group), limit=MAX_DEAD)
        finally:
            await client.aclose()
        return [buried.letter for buried in page.letters]


class MemoryBackend:
    """The twins; all processes of a test share them."""

    def __init__(self, stack: AsyncExitStack, *, log_maxlen: int, log_ttl_s: int) -> None:
        self._stack = stack
        self._channels = MemoryChannels()
        streams = Streams()
        groups = MemoryGroups(streams, now_ms)
        self._dead_letters = MemoryDeadLetters(groups)
        self._registry = MemoryRegistry(now_ms)
        self._token_records = MemoryTokenRecords(now_ms)
        self._rate_limits = MemoryRateLimits(now_ms)
        self._audit = MemoryAudit()
        self._stores = Stores(
            eventlog=MemoryEventLog(streams, now_ms, maxlen=log_maxlen, ttl_s=log_ttl_s),
            groups=groups,
            dead_letters=self._dead_letters,
            ledger=MemoryLedger(streams, groups, self._dead_letters, now_ms),
            registry=self._registry,
            resources=MemoryResources(now_ms),
            shares=MemoryShares(),
            group_states=MemoryGroupStates(groups, self._dead_letters),
            statistics=MemoryStatistics(streams, now_ms),
            declarations=MemoryDeclarations(),
            operations=Operations(self._token_records, MemoryAudit(), MemoryOperationIndex()),
        )

    def stores(self) -> Stores:
        return self._stores

    def registry(self, *, ttl_s: float = TTL_S, grace_s: float = GRACE_S) -> RegistryStore:
        return self._registry.of_patience(ttl_s=ttl_s, grace_s=grace_s)

    def token_records(self) -> TokenRecordStore:
        return self._token_records

    def rate_limits(self) -> RateLimitStore:
        return self._rate_limits

    def audit(self) -> AuditTrail:
        return self._audit

    async def hub(self) -> Hub:
        hub = Hub(stores=self._stores, channel_layer=self._channels)
        await hub.start()
        self._stack.push_async_callback(hub.stop)
        return hub

    async def dead_letters(self, service: str, group: str) -> list[DeadLetter]:
        return self._dead_letters.letters[service, group]


def now_ms() -> int:
    return time.time_ns() // 1_000_000
