"""The twin of `ipc.stores.operations.RedisOperationIndex`, in memory."""

from collections.abc import Sequence

from ipc.stores.operations import MAX_LISTED


class MemoryOperationIndex:
    """The operations of one test."""

    def __init__(self) -> None:
        self._begun: dict[str, list[tuple[int, str]]] = {}

    async def add(self, service: str, operation: str, begun_ms: int) -> None:
        """Take an operation in."""
        self._begun[service] = sorted([*self._begun.get(service, []), (begun_ms, operation)])[-MAX_LISTED:]

    async def newest(self, services: Sequence[str]) -> list[str]:
        """Return the ids of the operations of services, the newest of each first."""
        return [operation for name in services for _, operation in reversed(self._begun.get(name, []))]
