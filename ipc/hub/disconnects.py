"""Sessions that an operator disconnects: any hub is asked, and the one that has the session closes it."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from ipc.hub.counters import Counters
from ipc.hub.session import Session
from ipc.protocol.codes import CloseCode

logger = logging.getLogger(__name__)

DISCONNECT: Final = "ipc.disconnect"


class Disconnects:
    """What one hub knows of it.

    Args:
        sessions: of this hub, by id.
        counters: of the hub.
        tell_all: sends a message to all hubs, this one included.

    """

    def __init__(
        self,
        sessions: Mapping[str, Session],
        counters: Counters,
        *,
        tell_all: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        self._sessions = sessions
        self._counters = counters
        self._tell_all = tell_all

    async def ask(self, session_id: str, *, reason: str, may_return: bool) -> None:
        """Have a session closed, wherever it is; one that is gone already stays so.

        Args:
            session_id: which one.
            reason: why, for whoever is at its other end.
            may_return: whether a client shall connect again by itself. Its token is good either way.

        Raises:
            UnavailableError: the channel layer is out of reach.

        """
        await self._tell_all(
            {"type": DISCONNECT, "session": session_id, "reason": reason, "may_return": bool(may_return)}
        )

    async def heard(self, message: dict[str, Any]) -> None:
        """Close the session that is meant, if it is one of this hub."""
        session = self._sessions.get(message["session"])
        if session is None or session.is_closed:
            return
        self._counters.sessions_disconnected += 1
        logger.info("%s is disconnected by an operator: %s", session.instance, message["reason"])
        code = CloseCode.DISCONNECTED if message["may_return"] else CloseCode.DISMISSED
        session.close(code, f"disconnected by an operator: {message['reason']}")
