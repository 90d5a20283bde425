"""The twin of `ipc.stores.operations.RedisOperationIndex`, in memory."""

from collections.abc import Sequence

from ipc.stores.operations import MAX_LISTED


class MemoryOperationIndex:
    """The operations of one test."""

    def __init__(self) -> None:
        self._begun: dict[str, list[tuple[int, str]]] = {}

    async def add(self, service: str, operation: str, begun_ms: int) -> list[str]:
        """Take an operation in, and return those that are left out now."""
        begun = sorted([*self._begun.get(service, []), (begun_ms, operation)])
        self._begun[service] = begun[-MAX_LISTED:]
        return [operation for _, operation in begun[:-MAX_LISTED]]

    async def has(self, service: str, operation: str) -> bool:
        """Tell whether an operation is listed."""
        return any(operation == each for _, each in self._begun.get(service, []))

    async def newest(self, services: Sequence[str]) -> list[str]:
        """Return the ids of the operations of services, the newest of each first."""
        return [operation for name in services for _, operation in reversed(self._begun.get(name, []))]
