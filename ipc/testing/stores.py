"""All stores of a mesh in memory, made for each other."""

from collections.abc import Callable
from typing import Final

from ipc.hub.stores import Stores
from ipc.stores.operations import Operations
from ipc.testing.audit import MemoryAudit
from ipc.testing.dead_letters import MemoryDeadLetters
from ipc.testing.declarations import MemoryDeclarations
from ipc.testing.eventlog import MemoryEventLog
from ipc.testing.group_states import MemoryGroupStates
from ipc.testing.groups import MemoryGroups
from ipc.testing.ledger import MemoryLedger
from ipc.testing.operations import MemoryOperationIndex
from ipc.testing.registry import MemoryRegistry
from ipc.testing.resources import MemoryResources
from ipc.testing.shares import MemoryShares
from ipc.testing.statistics import MemoryStatistics
from ipc.testing.streams import Streams
from ipc.testing.token_records import MemoryTokenRecords

NEVER_S: Final = 1e9


class MemoryStores:
    """What a hub keeps outside its process, without Redis; three of them are looked into by name.

    Args:
        now_ms: returns the time, in Unix milliseconds.

    """

    def __init__(self, now_ms: Callable[[], int]) -> None:
        streams = Streams()
        self.eventlog = MemoryEventLog(streams, now_ms)
        self.groups = MemoryGroups(streams, now_ms)
        self.dead_letters = MemoryDeadLetters(self.groups)
        self.all = Stores(
            eventlog=self.eventlog,
            groups=self.groups,
            dead_letters=self.dead_letters,
            ledger=MemoryLedger(streams, self.groups, self.dead_letters, now_ms),
            # Nobody is renewed by this clock, so nobody expires by it.
            registry=MemoryRegistry(now_ms, ttl_s=NEVER_S),
            resources=MemoryResources(now_ms, ttl_s=NEVER_S),
            shares=MemoryShares(),
            group_states=MemoryGroupStates(self.groups, self.dead_letters),
            statistics=MemoryStatistics(streams, now_ms),
            declarations=MemoryDeclarations(),
            operations=Operations(MemoryTokenRecords(now_ms), MemoryAudit(), MemoryOperationIndex()),
        )
