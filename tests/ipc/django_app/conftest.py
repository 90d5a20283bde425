"""What the tests of the Django app share: a log that remembers ids, as the real one does."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from ipc.protocol.routing import Target


class FakeLog:
    """Keeps what was appended by all relays of a test, in order, and every send with its id."""

    def __init__(self) -> None:
        self.sends: list[str] = []
        self.events: list[Any] = []
        self._ids: set[str] = set()
        self._lock = threading.Lock()

    def append(self, data: Any, event_id: str) -> str:
        with self._lock:
            self.sends.append(event_id)
            if event_id not in self._ids:
                self._ids.add(event_id)
                self.events.append(data)
            return f"{len(self.events)}-0"

    async def emit(
        self,
        event: str,
        data: Any,
        *,
        target: Target,
        id: str | None,  # noqa: A002 - the word of the wire protocol
        meta: Mapping[str, Any] | None,
    ) -> str:
        assert id is not None
        await asyncio.sleep(0)
        return self.append(data, id)


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()
