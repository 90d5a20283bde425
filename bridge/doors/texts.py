"""An extension of ASGI of our own: several texts, a websocket frame each, in one message and one write.

A server that has it says so in the scope (asgi.readthedocs.io, Extensions); ours is `bridge.doors.frames`. Socket.IO
has no frame with several packets, and a write to a socket costs more than making what is written.
"""

from collections.abc import Mapping
from typing import Any, Final

EXTENSION: Final = "exprsn.texts"
SEND_TEXTS: Final = "exprsn.texts.send"
"""The type of the message, which has ``texts``."""


def takes_texts(scope: Mapping[str, Any]) -> bool:
    """Tell whether the server of a connection takes such messages."""
    return EXTENSION in scope.get("extensions", {})
