"""`IPCWorker`: what a service writes its part of the mesh with."""

import asyncio
import inspect
import logging
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar

from ipc.client import Client
from ipc.dispatch import Handler
from ipc.hooks import HookName
from ipc.hub.terms import terms_of
from ipc.protocol.errors import IPCError, UnavailableError
from ipc.protocol.messages import Subscription
from ipc.protocol.patterns import compile_pattern
from ipc.protocol.retry import DEFAULT_CREDIT, check_group
from ipc.resources import served_resource
from ipc.run import Registered, Run
from ipc.signals import stop_signals
from ipc.tracing.configuration import trace_as_configured
from ipc.transports.base import Transport
from ipc.transports.environment import transport_from_environment
from ipc.transports.group_subscription import Beginning, group_subscription

logger = logging.getLogger(__name__)

FINISH_TIMEOUT_S = 8.0

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
        self._registered = Registered()
        self._run: Run | None = None
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
        if group is None and (retry is not None or once or since is not None):
            raise TypeError("retry, once and since belong to a group: name it with group=")
        if any(group == subscription.group for subscription, _ in self._registered.members):
            raise ValueError(f"the group {group!r} has a handler already")
        terms = {"where": where, "select": select}
        wanted = (
            Subscription(events=list(patterns), **terms)
            if group is None
            else group_subscription(
                self.service, group, patterns, credit=credit, retry=retry, once=once, since=since, **terms
            )
        )

        def register(handler: HandlerT) -> HandlerT:
            self._registered.add(wanted, handler)
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
        if name in self._registered.resources:
            raise ValueError(f"the resource {name!r} is served already")

        def register(handler: ResourceT) -> ResourceT:
            served = handler() if inspect.isclass(handler) else handler
            self._registered.resources[name] = served_resource(name, served, limit=limit)
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
            SystemExit: what the environment says of the mesh is wrong, or the bridge refused this worker for good; the
                program ends with one sentence and code 1. Its cause is the error, which `start` and `ready` raise.

        """
        self._is_program = True
        try:
            await self.start()
            with stop_signals() as stopping:
                try:
                    await self._begun("run").unless_ended(stopping.wait())
                finally:
                    await self.stop()
        except IPCError as error:
            raise SystemExit(f"{self.service}: {error.message}") from error
        finally:
            self._is_program = False

    async def start(self, transport: Transport | None = None, *, since: Mapping[str, str] | None = None) -> None:
        """Begin to connect, in the running event loop, and return at once; `ready` waits.

        Args:
            transport: how to reach a hub, if not as the environment says.
            since: the positions in logs after which handlers without a group begin; at their end, if not given.

        Raises:
            ConfigurationError: BRIDGE_URL is no address of a bridge, or neither it nor REDIS_URL is set.

        """
        if self._run is not None:
            raise RuntimeError(f"{self.service} is running already")
        trace_as_configured(self.service)
        self._run = Run(
            self.service,
            transport or transport_from_environment(self.service, version=self.version),
            self._registered,
            declarations=list(self._declared.values()),
            since=since,
            operations=self._operations,
            hooks=self._hooks,
            tasks=self._tasks,
            limits=self._limits,
        )
        self._link = self._run.link
        self._run.task.add_done_callback(self._link_ended)

    async def ready(self) -> None:
        """Wait until the worker is connected and subscribed.

        Raises:
            IPCError: the bridge refused this worker for good.

        """
        await self._begun("ready").ready()

    @property
    def is_ready(self) -> bool:
        """Whether the worker is connected and subscribed right now."""
        return self._link is not None and self._link.is_up

    @property
    def running(self) -> "frozenset[asyncio.Task[None]]":
        """What handlers and asynchronous hooks are at work on, each task named after its function or group."""
        return self._tasks.running | (self._run.running if self._run is not None else frozenset())

    async def stop(self, *, timeout_s: float = FINISH_TIMEOUT_S) -> None:
        """Stop taking events, finish those taken as far as the time allows, and leave."""
        if self._run is not None:
            await self._run.stop(timeout_s=timeout_s)
            await self._tasks.close()
            self._link = self._run = None

    async def forget(self, group: str, *, timeout_s: float = 10.0) -> None:
        """Delete a durable group of this service, with all that waits in it; its dead letters stay.

        This worker leaves it and does not join it again. What its handler is at work on is finished, and counts for
        nothing.

        Raises:
            BadMessageError: INVALID_GROUP, or the group has other members; then this worker is one as before.
            DeadlineError: no answer in time, it may have been deleted.

        """
        await self._begun("forget").forget(check_group(group), timeout_s=timeout_s)
        self._registered.forget(group)

    # Inside

    def _begun(self, what: str) -> Run:
        if self._run is None:
            raise UnavailableError(f"{self.service} is not running: await start() or run() before {what}()")
        return self._run

    def _link_ended(self, running: "asyncio.Task[None]") -> None:
        if not running.cancelled() and (error := running.exception()) is not None:
            if not (self._is_program and isinstance(error, IPCError)):
                logger.error("%s has stopped: %s", self.service, error)
            self._hooks.call("error", error)
