"""Which declared events no longer fit: read from Redis every few seconds, for all who look at the overview."""

import time
from typing import Any, Final
from weakref import WeakKeyDictionary

from bridge.console.board import Held
from bridge.console.times import duration
from ipc.django_app.runtime import running_redis
from ipc.hub.hub import Hub
from ipc.protocol.services import short_name
from ipc.stores.declarations import Declarations

EVERY_S: Final = 5
RECENT_MS: Final = 3_600_000
"""What has not fitted for longer than that is on the page of the catalogue alone."""

_HELD: WeakKeyDictionary[Hub, Held[dict[str, Any] | None]] = WeakKeyDictionary()


async def drift_now(hub: Hub) -> dict[str, Any] | None:
    """Return how many events have had data that did not fit in the last hour, and the last; None where none has.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    if (held := _HELD.get(hub)) is None:
        held = _HELD[hub] = Held(hub, _drift, every_s=EVERY_S)
    return await held.value()


async def _drift(hub: Hub) -> dict[str, Any] | None:  # noqa: ARG001 - as `Held` calls it
    now_ms = time.time_ns() // 1_000_000
    recent = await Declarations(running_redis()).drifting(since_ms=now_ms - RECENT_MS)
    if not recent:
        return None
    last = max(recent, key=lambda each: each.at_ms)
    return {
        "events": len(recent),
        "event": last.event,
        "service": short_name(last.service),
        "ago": duration((now_ms - last.at_ms) / 1000),
    }
