"""`IPCWorker`: what a service writes its part of the mesh with."""

import asyncio
import contextlib
import inspect
import logging
import signal
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any, Self, TypeVar

from ipc.client import Client
from ipc.dispatch import Dispatcher, EventContext, Handler, Lane
from ipc.hooks import HookName
from ipc.hub.terms import terms_of
from ipc.members import Members, Membership, Reject
from ipc.protocol.errors import ConfigurationError, IPCError, UnavailableError
from ipc.protocol.messages import Event, ServerCall, Subscription, Welcome
from ipc.protocol.patterns import compile_pattern
from ipc.protocol.retry import DEFAULT_CREDIT, check_credit, check_group, retry_policy
from ipc.resources import CallContext, ResourceCalls, ServedResource, served_resource
from ipc.subscriptions import arranged
from ipc.tracing.configuration import trace_as_configured
from ipc.transports.base import Transport
from ipc.transports.environment import transport_from_environment
from ipc.transports.group_subscription import Beginning, GroupSubscription, beginning
from ipc.transports.link import Link

logger = logging.getLogger(__name__)

FINISH_TIMEOUT_S = 8.0
# A bridge that does not even answer a goodbye has nothing to wait for.
LEAVE_TIMEOUT_S = 1.0

HandlerT = TypeVar("HandlerT", bound=Handler)
ResourceT = TypeVar("ResourceT")
HookT = TypeVar("HookT", bound=Callable[..., object])


class IPCWorker(Client):
    """A service's instance in the mesh: handlers for events, and `emit`.

    Where it connects is read from the environment when it starts: ``BRIDGE_URL`` (``wss://host:3010``) goes through the
    bridge, else ``REDIS_URL`` joins the mesh directly. The bridge's certificate is checked against ``IPC_CA_FILE``, or
    ``ca-cert.pem`` in ``CERTS_DIR``.

    Args:
        service: the service's name, short or full.
        version: of the service, to be shown; at most 64 characters.

    Raises:
        UnknownServiceError: the catalogue has no such service.
        ValueError: the version is too long, or has characters that no version has.

    """

    def __init__(self, service: str, *, version: str = "") -> None:
        super().__init__(service, version=version)
        self._registered: list[tuple[Subscription, Handler]] = []
        self._memberships: list[tuple[GroupSubscription, Membership]] = []
        self._resources: dict[str, ServedResource] = {}
        self._calls: ResourceCalls | None = None
        self._dispatcher: Dispatcher | None = None
        self._members: Members | None = None
        self._running: asyncio.Task[None] | None = None
        self._waiting: asyncio.Task[None] | None = None
        self._is_program = False

    # Registration

    def on(
        self,
        *patterns: str,
        group: str | None = None,
        credit: int = DEFAULT_CREDIT,
        retry: Mapping[str, Any] | None = None,
        once: bool = False,
        since: Beginning | None = None,
        where: Any = None,
        select: Any = None,
    ) -> Callable[[HandlerT], HandlerT]:
        """Register an ``async`` function ``(data, ctx)`` for the events that a pattern matches.

        Without a group, every instance of the service gets the events while it is connected, and each handler gets
        its events one at a time, in the order of each log.

        With a group, one instance gets each event, and gets it again until a handler has returned: what a handler
        raises is tried again after a pause, `Reject` makes the event a dead letter at once.

        Args:
            patterns: such as ``post:created`` or ``post:*``.
            group: makes the subscription durable.
            credit: how many deliveries of the group are handled here at the same time.
            retry: ``{"ack_ms": 30000, "backoff_ms": [1000, 5000, ...]}``, for the whole group.
            once: do not handle an event again that the group has completed within a day, though it is delivered again
                or was appended again with its id; for the whole group.
            since: where the group begins if it does not exist yet: ``"start"`` for all that its logs have, or
                ``{log: position}`` for what came after, where a log is ``broadcast`` or the service; a log that is not
                named begins at its end, as all do without it. What the log does not have any more is an ``error``.
            where: JSONLex that chooses among the events, for the whole group.
            select: JSONLex that says what of an event comes as data, for the whole group. When it fails the data is
                whole, and ``ctx.select_error`` has the code.

        Raises:
            BadMessageError: INVALID_PATTERN, INVALID_GROUP, INVALID_POSITION, or a wrong credit, retry or since.
            JSONLexError: the condition or the shape is wrong.
            TypeError: the function is not ``async``, there is no pattern, or no group for what belongs to one.
            ValueError: the group has a handler already.

        """
        if not patterns:
            raise TypeError("on() needs at least one pattern, such as 'post:*'")
        for pattern in patterns:
            compile_pattern(pattern)
        terms_of(where, select)
        if group is not None:
            if any(check_group(group) == subscription.group for subscription, _ in self._memberships):
                raise ValueError(f"the group {group!r} has a handler already")
            check_credit(credit)
            retry_policy(retry)
        elif retry is not None or once or since is not None:
            raise TypeError("retry, once and since belong to a group: name it with group=")
        begins = beginning(self.service, since)

        def register(handler: HandlerT) -> HandlerT:
            is_async = inspect.iscoroutinefunction(handler)
            if not is_async:
                raise TypeError(f"{handler!r} must be an async function: it runs in the worker's event loop")
            if group is None:
                self._registered.append((Subscription(events=list(patterns), where=where, select=select), handler))
            else:
                subscription = GroupSubscription(
                    group=group,
                    events=patterns,
                    credit=credit,
                    retry=retry,
                    once=once,
                    since=begins,
                    where=where,
                    select=select,
                )
                self._memberships.append((subscription, Membership(group, handler, once=once)))
            return handler

        return register

    def resource(self, name: str, *, limit: int | None = None) -> Callable[[ResourceT], ResourceT]:
        """Serve a resource: decorates a class, or takes an object, whose public ``async`` methods are its operations.

        A method takes what it names of ``key``, ``data``, ``query`` and ``ctx`` (a `CallContext`), and returns JSON. It
        raises `NotFoundError` and the like to say what is wrong; anything else is a bug, and the caller gets INTERNAL.

        Args:
            name: such as ``posts``; another service must not serve it.
            limit: calls that are answered here at the same time, at most 256.

        Raises:
            BadMessageError: INVALID_RESOURCE.
            TypeError: a method takes something else, or there is none.
            ValueError: this worker serves the resource already.

        """
        if name in self._resources:
            raise ValueError(f"the resource {name!r} is served already")

        def register(handler: ResourceT) -> ResourceT:
            served = handler() if inspect.isclass(handler) else handler
            self._resources[name] = served_resource(name, served, limit=limit)
            return handler

        return register

    def hook(self, name: HookName) -> Callable[[HookT], HookT]:
        """Register a function that is called in this process when something happens; it is never sent anywhere.

        ``ready(welcome)``, ``sent(event, position)``, ``received(ctx)``, ``error(error)``,
        ``handler_error(exception, ctx)`` for events and calls. It may be ``async``; what it raises is logged.

        Raises:
            ValueError: there is no hook of that name.

        """
        self._hooks.check(name)

        def register(function: HookT) -> HookT:
            self._hooks.add(name, function)
            return function

        return register

    def unhook(self, name: HookName, function: Callable[..., object]) -> None:
        """Take back a function that `hook` has registered.

        Raises:
            ValueError: it is not registered.

        """
        self._hooks.remove(name, function)

    # Running

    async def __aenter__(self) -> Self:
        """Start, and wait until the worker is ready, however long that takes: what a script needs to emit and to call.

        Raises:
            ConfigurationError: what the environment says of the mesh is wrong, or says nothing.
            IPCError: the bridge refused this worker for good.

        """
        await self.start()
        try:
            await self.ready()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(self, *raised: object) -> None:
        """Stop in order."""
        await self.stop()

    async def run(self) -> None:
        """Run until SIGTERM or SIGINT: stop taking events, finish those taken, and leave.

        Raises:
            SystemExit: what the environment says of the mesh is wrong; the program ends with one sentence and code 1.
            IPCError: the bridge refused this worker for good.

        """
        self._is_program = True
        try:
            await self._run()
        except ConfigurationError as error:
            raise SystemExit(f"{self.service}: {error.message}") from error
        finally:
            self._is_program = False

    async def _run(self) -> None:
        await self.start()
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        waiting = asyncio.create_task(stopping.wait())
        try:
            running = self._running
            await asyncio.wait([waiting, *([running] if running else [])], return_when=asyncio.FIRST_COMPLETED)
            if running is not None and running.done():
                running.result()
        finally:
            waiting.cancel()
            await self.stop()
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    async def start(self, transport: Transport | None = None, *, since: Mapping[str, str] | None = None) -> None:
        """Begin to connect, in the running event loop, and return at once; `ready` waits.

        Args:
            transport: how to reach a hub, if not as the environment says.
            since: the positions in logs after which handlers without a group begin; at their end, if not given.

        Raises:
            ConfigurationError: BRIDGE_URL is no address of a bridge, or neither it nor REDIS_URL is set.

        """
        if self._running is not None:
            raise RuntimeError(f"{self.service} is running already")
        trace_as_configured(self.service)
        self._dispatcher = Dispatcher(self._handler_failed)
        arrangement = arranged([subscription for subscription, _ in self._registered], owner=self.service)
        for (subscription, handler), terms in zip(self._registered, arrangement.terms, strict=True):
            self._dispatcher.add(Lane(subscription.events, handler, terms))
        self._members = Members(self._handler_failed)
        for _, membership in self._memberships:
            self._members.add(membership.anew())
        self._calls = ResourceCalls(self._resources, self._call_failed, self._limits)
        self._link = Link(
            transport or transport_from_environment(self.service, version=self.version),
            (),
            _Listener(self),
            [subscription for subscription, _ in self._memberships],
            [served.as_message() for served in self._resources.values()],
            since,
            arrangement.subscriptions,
            list(self._declared.values()),
        )
        self._running = asyncio.create_task(self._link.run(), name=f"worker {self.service}", context=Context())
        self._running.add_done_callback(self._link_ended)

    async def ready(self) -> None:
        """Wait until the worker is connected and subscribed.

        Raises:
            IPCError: the bridge refused this worker for good.

        """
        if self._link is None or self._running is None:
            raise UnavailableError(f"{self.service} is not running: await start() first")
        up = asyncio.create_task(self._link.wait_until_up())
        try:
            await asyncio.wait([up, self._running], return_when=asyncio.FIRST_COMPLETED)
            if self._running.done():
                self._running.result()
        finally:
            up.cancel()

    @property
    def is_ready(self) -> bool:
        """Whether the worker is connected and subscribed right now."""
        return self._link is not None and self._link.is_up

    @property
    def running(self) -> "frozenset[asyncio.Task[None]]":
        """What handlers and asynchronous hooks are at work on, each task named after its function or group."""
        handling = (
            owner.running for owner in (self._dispatcher, self._members, self._calls, self._tasks) if owner is not None
        )
        return frozenset().union(*handling)

    async def stop(self, *, timeout_s: float = FINISH_TIMEOUT_S) -> None:
        """Stop taking events, finish those taken as far as the time allows, and leave."""
        link, dispatcher, members, calls = self._link, self._dispatcher, self._members, self._calls
        running = self._running
        if link is None or dispatcher is None or members is None or calls is None or running is None:
            return
        if self._waiting is not None:
            # It would resume as soon as the handlers have caught up.
            self._waiting.cancel()
        with contextlib.suppress(IPCError, TimeoutError):
            async with asyncio.timeout(LEAVE_TIMEOUT_S):
                await link.retire()
        await asyncio.gather(*(part.finish(timeout_s=timeout_s) for part in (dispatcher, members, calls)))
        running.cancel()
        await asyncio.wait([running])
        await link.close()
        await self._tasks.close()
        self._link = self._dispatcher = self._members = self._calls = self._running = None

    async def forget(self, group: str, *, timeout_s: float = 10.0) -> None:
        """Delete a durable group of this service, with all that waits in it; its dead letters stay.

        This worker leaves it and does not join it again. What its handler is at work on is finished, and counts for
        nothing.

        Raises:
            BadMessageError: INVALID_GROUP, or the group has other members; then this worker is one as before.
            DeadlineError: no answer in time, it may have been deleted.

        """
        await self._running_link("forget").forget(check_group(group), timeout_s=timeout_s)
        if self._members is not None:
            self._members.forget(group)
        self._memberships = [each for each in self._memberships if each[0].group != group]

    # What the link tells

    def _connected(self, welcome: Welcome) -> None:
        if self._dispatcher is not None:
            self._dispatcher.session = welcome.session
        logger.info("%s is ready, session %s", welcome.instance, welcome.session)
        self._operations.connected()
        self._hooks.call("ready", welcome)

    def _received(self, event: Event) -> bool:
        if self._dispatcher is None or self._link is None:
            return False
        if not self._dispatcher.take(event):
            waiting = self._wait_for_handlers(self._link, self._dispatcher)
            self._waiting = self._tasks.start(waiting, "wait for handlers")
            return False
        if self._hooks.has("received"):
            self._hooks.call("received", EventContext.of(event))
        return True

    def _delivered(self, event: Event, session: str) -> None:
        if self._members is not None and self._link is not None:
            self._members.take(event, session, self._link)

    def _called(self, call: ServerCall, session: str) -> None:
        if self._calls is not None and self._link is not None:
            self._calls.take(call, session, self._link)

    def _call_cancelled(self, call_id: str, session: str) -> None:
        if self._calls is not None:
            self._calls.cancel(call_id, session)

    def _disconnected(self, session: str) -> None:
        if self._calls is not None:
            self._calls.lost(session)

    async def _wait_for_handlers(self, link: Link, dispatcher: Dispatcher) -> None:
        """Let the log keep the events until the handlers have caught up."""
        logger.info("%s: the handlers are behind, pausing", self.service)
        try:
            await link.pause()
            await dispatcher.room()
            await link.resume()
        except IPCError as error:
            logger.warning("%s: connecting again, since pausing failed: %s", self.service, error)
            await dispatcher.room()
            link.restart()

    def _failed(self, error: IPCError) -> None:
        logger.warning("%s: %s", self.service, error)
        self._hooks.call("error", error)

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

    def _link_ended(self, running: "asyncio.Task[None]") -> None:
        if not running.cancelled() and (error := running.exception()) is not None:
            if not (self._is_program and isinstance(error, ConfigurationError)):
                logger.error("%s has stopped: %s", self.service, error)
            self._hooks.call("error", error)


class _Listener:
    """A worker as its link sees it."""

    def __init__(self, worker: IPCWorker) -> None:
        self.connected = worker._connected
        self.received = worker._received
        self.delivered = worker._delivered
        self.failed = worker._failed
        self.called = worker._called
        self.cancelled = worker._call_cancelled
        self.operation_cancelled = worker._operations.cancelled
        self.disconnected = worker._disconnected

    def not_recovered(self, reasons: dict[str, str]) -> None:
        """Pass on that events are gone from the log."""
        missing = ", ".join(f"{log} ({reason})" for log, reason in reasons.items())
        self.failed(UnavailableError(f"events were missed for good: {missing}", details={"reasons": reasons}))
