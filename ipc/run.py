"""One run of a worker, from its start to its stop: the link to a hub, and who handles what it tells."""

import asyncio
import contextlib
import inspect
import logging
from collections.abc import Coroutine, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from ipc.dispatch import Dispatcher, EventContext, Handler, Lane
from ipc.hooks import Hooks
from ipc.hub.tasks import OwnedTasks
from ipc.members import Members, Membership, Reject
from ipc.operations import OpenOperations
from ipc.protocol.declarations import Declaration
from ipc.protocol.errors import IPCError, UnavailableError
from ipc.protocol.limits import Limits
from ipc.protocol.messages import Event, ServerCall, Subscription, Welcome
from ipc.resources import CallContext, ResourceCalls, ServedResource
from ipc.subscriptions import arranged
from ipc.transports.base import Transport
from ipc.transports.group_subscription import GroupSubscription
from ipc.transports.link import Link

logger = logging.getLogger(__name__)

# A bridge that does not even answer a goodbye has nothing to wait for.
LEAVE_TIMEOUT_S = 1.0


@dataclass(slots=True)
class Registered:
    """What is registered at a worker: its handlers, those that are members of groups, and what it serves."""

    handlers: list[tuple[Subscription, Handler]] = field(default_factory=list)
    members: list[tuple[GroupSubscription, Membership]] = field(default_factory=list)
    resources: dict[str, ServedResource] = field(default_factory=dict)

    def add(self, wanted: Subscription | GroupSubscription, handler: Handler) -> None:
        """Add a handler for what it wants to hear.

        Raises:
            TypeError: it is not ``async``.

        """
        is_async = inspect.iscoroutinefunction(handler)
        if not is_async:
            raise TypeError(f"{handler!r} must be an async function: it runs in the worker's event loop")
        if isinstance(wanted, Subscription):
            self.handlers.append((wanted, handler))
        else:
            self.members.append((wanted, Membership(wanted.group, handler, once=wanted.once)))

    def forget(self, group: str) -> None:
        """Drop the handler of a group."""
        self.members = [each for each in self.members if each[0].group != group]


class Run:
    """A worker while it runs, as its link sees it.

    Args:
        service: whose it is, by full name.
        transport: how to reach a hub.
        registered: who handles what.
        declarations: what to say of the events of the service.
        since: the positions in logs after which handlers without a group begin; at their end, if not given.
        operations: the long operations that it is at.
        hooks: hear of what happens.
        tasks: run what goes on beside; they are another's to close.
        limits: what the hub takes.

    """

    def __init__(
        self,
        service: str,
        transport: Transport,
        registered: Registered,
        *,
        declarations: Sequence[Declaration],
        since: Mapping[str, str] | None,
        operations: OpenOperations,
        hooks: Hooks,
        tasks: OwnedTasks,
        limits: Limits,
    ) -> None:
        self.service = service
        self._operations = operations
        self._hooks = hooks
        self._tasks = tasks
        self._waiting: asyncio.Task[None] | None = None
        self._dispatcher = Dispatcher(self._handler_failed)
        arrangement = arranged([subscription for subscription, _ in registered.handlers], owner=service)
        for (subscription, handler), terms in zip(registered.handlers, arrangement.terms, strict=True):
            self._dispatcher.add(Lane(subscription.events, handler, terms))
        self._members = Members(self._handler_failed)
        for _, membership in registered.members:
            self._members.add(membership.anew())
        self._calls = ResourceCalls(registered.resources, self._call_failed, limits)
        self.link = Link(
            transport,
            (),
            self,
            [subscription for subscription, _ in registered.members],
            [served.as_message() for served in registered.resources.values()],
            since,
            arrangement.subscriptions,
            declarations,
        )
        self.task = asyncio.create_task(self.link.run(), name=f"worker {service}", context=Context())

    async def ready(self) -> None:
        """Wait until it is connected and subscribed.

        Raises:
            IPCError: the bridge refused this worker for good.

        """
        await self.unless_ended(self.link.wait_until_up())

    async def unless_ended(self, awaited: Coroutine[Any, Any, object]) -> None:
        """Wait for something, but not for longer than the link is kept up.

        Raises:
            IPCError: the bridge refused this worker for good.

        """
        waiting = asyncio.create_task(awaited)
        try:
            await asyncio.wait([waiting, self.task], return_when=asyncio.FIRST_COMPLETED)
            if self.task.done():
                self.task.result()
        finally:
            waiting.cancel()

    @property
    def running(self) -> "frozenset[asyncio.Task[None]]":
        """What handlers are at work on."""
        return frozenset().union(self._dispatcher.running, self._members.running, self._calls.running)

    async def stop(self, *, timeout_s: float) -> None:
        """Take no more events, finish those taken as far as the time allows, and leave."""
        if self._waiting is not None:
            # It would resume as soon as the handlers have caught up.
            self._waiting.cancel()
        with contextlib.suppress(IPCError, TimeoutError):
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await self.link.retire()
        parts = (self._dispatcher, self._members, self._calls)
        await asyncio.gather(*(part.finish(timeout_s=timeout_s) for part in parts))
        self.task.cancel()
        await asyncio.wait([self.task])
        await self.link.close()

    async def forget(self, group: str, *, timeout_s: float) -> None:
        """Have a group deleted, and drop its handler.

        Raises:
            DeadlineError: no answer in time, it may have been deleted.
            IPCError: it was refused; what was a member is one still.

        """
        await self.link.forget(group, timeout_s=timeout_s)
        self._members.forget(group)

    # What the link tells

    def connected(self, welcome: Welcome) -> None:
        """Take note that the session is up and subscribed."""
        self._dispatcher.session = welcome.session
        logger.info("%s is ready, session %s", welcome.instance, welcome.session)
        self._operations.connected()
        self._hooks.call("ready", welcome)

    def received(self, event: Event) -> bool:
        """Take an event, unless the handlers are behind: then the log keeps it for them."""
        if not self._dispatcher.take(event):
            self._waiting = self._tasks.start(self._wait_for_handlers(), "wait for handlers")
            return False
        if self._hooks.has("received"):
            self._hooks.call("received", EventContext.of(event))
        return True

    def delivered(self, event: Event, session: str) -> None:
        """Have an event of a group handled."""
        self._members.take(event, session, self.link)

    def called(self, call: ServerCall, session: str) -> None:
        """Have a call answered."""
        self._calls.take(call, session, self.link)

    def cancelled(self, call_id: str, session: str) -> None:
        """Stop working on a call."""
        self._calls.cancel(call_id, session)

    def operation_cancelled(self, operation: str) -> None:
        """Cancel a long operation."""
        self._operations.cancelled(operation)

    def disconnected(self, session: str) -> None:
        """Stop working on the calls of a session that is over."""
        self._calls.lost(session)

    def not_recovered(self, reasons: dict[str, str]) -> None:
        """Tell that events are gone from the log."""
        missing = ", ".join(f"{log} ({reason})" for log, reason in reasons.items())
        self.failed(UnavailableError(f"events were missed for good: {missing}", details={"reasons": reasons}))

    def failed(self, error: IPCError) -> None:
        """Tell of an error that nobody waits for."""
        logger.warning("%s: %s", self.service, error)
        self._hooks.call("error", error)

    # Inside

    async def _wait_for_handlers(self) -> None:
        """Let the log keep the events until the handlers have caught up."""
        logger.info("%s: the handlers are behind, pausing", self.service)
        try:
            await self.link.pause()
            await self._dispatcher.room()
            await self.link.resume()
        except IPCError as error:
            logger.warning("%s: connecting again, since pausing failed: %s", self.service, error)
            await self._dispatcher.room()
            self.link.restart()

    def _handler_failed(self, error: Exception, context: EventContext) -> None:
        where = (self.service, context.event, context.position)
        if isinstance(error, Reject):
            # What the handler decided is no failure of its own.
            logger.warning("a handler of %s rejected %s at %s: %s", *where, error)
        else:
            logger.error("a handler of %s failed on %s at %s", *where, exc_info=error)
        self._hooks.call("handler_error", error, context)

    def _call_failed(self, error: Exception, context: CallContext) -> None:
        what = f"{context.resource}.{context.op}"
        logger.error("%s failed in %s, called by %s", self.service, what, context.source, exc_info=error)
        self._hooks.call("handler_error", error, context)
