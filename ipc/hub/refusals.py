"""What services are refused at a hub: counted at once, and put down in the audit trail a little later."""

import logging
from collections.abc import Mapping
from typing import Final

from ipc.hub.counters import Counters
from ipc.hub.session import Session
from ipc.protocol.errors import ForbiddenError, IPCError, RateLimitError
from ipc.stores.tokens import BrokerTokenManager

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 64
"""Kinds of refusals that wait to be written; a service that tries everything fills neither memory nor the trail."""


class Refusals:
    """The refusals of one hub; for lack of a permission or for too many messages, written once a minute over all hubs.

    Args:
        manager: writes the trail; None where nobody proves anything, as inside the trust zone.
        counters: count all of them.

    """

    def __init__(self, manager: BrokerTokenManager | None, counters: Counters) -> None:
        self._manager = manager
        self._counters = counters
        self._waiting: dict[tuple[str, str], Mapping[str, str]] = {}

    def refuse(self, session: Session, error: IPCError, request_id: str | None) -> None:
        """Answer a request that is not carried out, and take note of that."""
        self._counters.refuse(session.service, error.code)
        self.add(session, error)
        session.refuse(error, request_id)

    def add(self, session: Session, error: IPCError) -> None:
        """Take note of a refusal, if it is one that says something about the session."""
        self.note(session.service, error, {"instance": session.instance})

    def note(self, service: str, error: IPCError, details: Mapping[str, str]) -> None:
        """Take note of a refusal, if it is one that says something about the service.

        Args:
            service: the full name of who was refused, once that is proved.
            error: why.
            details: where it came from: the instance of a session, or the address of a request.

        """
        if self._manager is None or not isinstance(error, ForbiddenError | RateLimitError):
            return
        needed = str((error.details or {}).get("needed", "")) if isinstance(error, ForbiddenError) else ""
        if len(self._waiting) < MAX_WAITING:
            self._waiting[service, needed or error.code.value] = details

    async def write(self) -> None:
        """Write down what waits; what cannot be written is left out, since it was counted and answered."""
        waiting, self._waiting = self._waiting, {}
        for (service, what), details in waiting.items():
            try:
                if self._manager is not None:
                    await self._manager.audit.write_once_a_minute(
                        "session.refused", by=service, subject=what, details=details, cause=service
                    )
            except IPCError as error:
                logger.warning("refusals are missing in the audit trail: %s", error)
                return
