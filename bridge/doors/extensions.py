"""Extensions of ASGI of our own (asgi.readthedocs.io, Extensions), which a server has if the scope says so.

Ours is `bridge.doors.frames`; behind any other server the doors work without them.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

TEXTS: Final = "exprsn.texts"
SEND_TEXTS: Final = "exprsn.texts.send"
"""The type of a message with ``texts``, a websocket frame each, in one write.

Socket.IO has no frame with several packets, and a write to a socket costs more than making what is written.
"""
READING: Final = "exprsn.reading"
"""The extension and the type of its messages: one tells the server how many bytes more to read of a websocket, None for
all that come; the other is received once, where there is no message, when nothing more is read.
"""

Send = Callable[[dict[str, Any]], Awaitable[None]]


def takes_texts(scope: Mapping[str, Any]) -> bool:
    """Tell whether the server of a connection takes several texts in one message."""
    return TEXTS in scope.get("extensions", {})


async def limit_reading(scope: Mapping[str, Any], send: Send, limit: int | None) -> None:
    """Tell the server how many bytes more to read of a websocket, None for all that come, if it can do that."""
    if READING in scope.get("extensions", {}):
        await send({"type": READING, "limit": limit})
