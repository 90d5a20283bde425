"""An event as it reaches a worker."""

from typing import Any

from msgspec import Raw

from ipc.protocol.messages import Event

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def event(**members: Any) -> Event:
    """Return a post's event, which is a part of `TRACE` unless told."""
    given: dict[str, Any] = {
        "id": "e1",
        "event": "post:created",
        "source": "exprsn-timeline",
        "target": "broadcast",
        "ts": 1_700_000_000_000,
        "data": Raw(b"{}"),
        "log": "broadcast",
        "position": "1-0",
        "traceparent": TRACE,
    }
    return Event(**{**given, **members})
