"""All that a hub does about calls, put together: who serves what, what is open, and what goes to other hubs."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from ipc.hub.asking import Asking
from ipc.hub.breaker import Breaker
from ipc.hub.call_exchange import CallExchange
from ipc.hub.calls import Calls
from ipc.hub.counters import Counters
from ipc.hub.open_call import Answer, Request, request_of
from ipc.hub.owners import Directory
from ipc.hub.pushes import Pushes
from ipc.hub.serving import Serving
from ipc.hub.session import Session
from ipc.hub.stores import ResourceStore
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError, UnavailableError
from ipc.protocol.limits import Limits
from ipc.protocol.messages import Call, Serve
from ipc.protocol.permissions import check_permission

logger = logging.getLogger(__name__)

CALLS: Final = "ipc.calls"
SERVED: Final = "ipc.served"

Take = Callable[[dict[str, Any]], Awaitable[None]]


class Calling:
    """The calls of one hub.

    Args:
        store: holds who serves what.
        pushes: carries messages to other hubs; it hands what arrives to `takers`.
        sessions: of this hub, by id.
        is_draining: tells whether the hub takes no more calls.

    """

    def __init__(
        self,
        hub_id: str,
        store: ResourceStore,
        sessions: Mapping[str, Session],
        *,
        limits: Limits,
        is_draining: Callable[[], bool],
        counters: Counters,
    ) -> None:
        self.directory = Directory(store, lambda: Breaker(limits.breaker_failures, limits.breaker_pause_ms / 1000))
        self.serving = Serving(hub_id, store, address=self._address, announce=self._announce, counters=counters)
        self.calls = Calls(hub_id, self.directory, sessions, counters, limit_of=self.serving.limit_of)
        self._limits = limits
        self._asking = Asking(self.calls, limit=limits.calls_per_session)
        self._pushes: Pushes | None = None
        self._is_draining = is_draining
        self._exchange = CallExchange(
            hub_id,
            self.calls,
            self.directory,
            sessions,
            address=self._address,
            send=self._send,
            is_draining=is_draining,
            counters=counters,
        )
        self.takers: dict[str, Take] = {CALLS: self._exchange.take, SERVED: self._heard_of_change}

    def use(self, pushes: Pushes) -> None:
        """Reach other hubs by these pushes from now on."""
        self._pushes = pushes
        pushes.on_joined = self.serving.moved

    async def serve(self, session: Session, message: Serve) -> None:
        """Let a session serve resources.

        Raises:
            ForbiddenError: it may not.
            BadMessageError: a name is wrong, or another service has the resource.
            UnavailableError: Redis is out of reach, or the hub is draining.

        """
        self._refuse_if_draining()
        await self.serving.serve(session, message)

    def call(self, session: Session, message: Call) -> None:
        """Begin a call of a session.

        Raises:
            ForbiddenError: it may not.
            BadMessageError: a name or a size is wrong, or the id is missing or in use.
            UnavailableError: the hub is draining, or has too much to do.

        """
        if message.id is None:
            raise BadMessageError("a call needs an id, which the reply repeats")
        if not self.calls.answering(session):
            # What it needs for an answer that the hub waits for is not new work.
            self._refuse_if_draining()
        request, seconds = self._request_of(message, session.service, session.identity.permissions)
        self.calls.begin_for(session, message.id, request, seconds)

    async def ask(self, service: str, permissions: frozenset[str], message: Call) -> Answer:
        """Make a call in the name of a service that has no session here, and return its answer.

        Its ``id`` is not needed. Cancelling this takes the call back.

        Raises:
            ForbiddenError: the permissions do not cover it.
            BadMessageError: a name or a size is wrong.
            UnavailableError: the hub is draining, or has too much to do.

        """
        self._refuse_if_draining()
        request, seconds = self._request_of(message, service, permissions)
        return await self._asking.ask(service, request, seconds)

    def leave(self, session: Session) -> None:
        """Forget a session that is gone."""
        self.serving.leave(session)
        self.calls.leave(session)

    async def drain(self) -> None:
        """Have other hubs' owners asked instead, and wait until what is open is answered."""
        await self.serving.withdraw_all()
        await self.calls.open.quiet()

    async def close(self) -> None:
        """End what is open, and stop."""
        await self.calls.close()
        await self.directory.close()
        await self._exchange.close()
        await self.serving.close()

    def _request_of(self, message: Call, service: str, permissions: frozenset[str]) -> tuple[Request, float]:
        request, seconds = request_of(message, service, self._limits)
        check_permission(permissions, "call", f"{request.resource}.{request.op}")
        return request, seconds

    def _refuse_if_draining(self) -> None:
        if self._is_draining():
            raise UnavailableError("this hub is stopping; come back elsewhere", code=ErrorCode.DRAINING)

    def _address(self) -> str:
        return self._pushes.address if self._pushes is not None else ""

    async def _send(self, address: str, message: dict[str, Any]) -> None:
        if self._pushes is None or not address:
            raise ConnectionError("the channel layer cannot be reached yet")
        await self._pushes.send(address, message)

    async def _announce(self, resources: list[str]) -> None:
        """Tell all hubs of a change; one that does not hear it sees the change two seconds later."""
        self.directory.changed(resources)
        if self._pushes is None or not resources:
            return
        try:
            await self._pushes.tell_all({"type": SERVED, "resources": resources})
        except IPCError as error:
            logger.warning("other hubs were not told who serves %s: %s", ", ".join(resources), error)

    async def _heard_of_change(self, message: dict[str, Any]) -> None:
        self.directory.changed(message["resources"])
