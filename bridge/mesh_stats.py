"""What the statistics of the mesh say beside who is attached: how much is going on, how fast, and what goes wrong."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ipc.hub.hub import Hub
from ipc.protocol.errors import BadMessageError
from ipc.protocol.statistics import USUAL_WINDOW, window_of

PARAMETER: Final = "window"


async def mesh_stats(hub: Hub, query: Mapping[str, str]) -> dict[str, Any]:
    """Return the member ``mesh`` of the statistics, for the window that a query names.

    Raises:
        BadMessageError: there is no such window, or the query has something else.
        UnavailableError: Redis is out of reach.

    """
    if unknown := sorted(set(query) - {PARAMETER}):
        raise BadMessageError(f"there is no parameter {unknown[0][:64]!r} here, only {PARAMETER}")
    window = window_of(query[PARAMETER]) if PARAMETER in query else USUAL_WINDOW
    found: dict[str, Any] = msgspec.to_builtins(await hub.figures.window(window))
    return {"mesh": found}
