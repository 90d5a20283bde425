"""The resources that a worker serves: each call is handled in a task of its own, and replied to in any case."""

import asyncio
import contextvars
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ipc.hub.tasks import OwnedTasks
from ipc.keyed_calls import KeyedCalls
from ipc.programs import OwnContext, Programs, check_own_context, program_context
from ipc.protocol import codec
from ipc.protocol.calls import call_error, check_op, check_resource
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, DeadlineError, IPCError, ValidationFailedError
from ipc.protocol.limits import Limits
from ipc.protocol.messages import CallError, Reply, Resource, ServerCall
from ipc.tracing.scope import Scope
from ipc.tracing.steps import answering

logger = logging.getLogger(__name__)

TAKES: Final = ("key", "data", "query", "ctx")
MAX_DETAILS_BYTES: Final = 64 * 1024
DEFAULT_LIMITS: Final = Limits()


@dataclass(slots=True)
class _Deadline:
    """When the time of a call is over, in seconds of the monotonic clock; and whether it has ended before."""

    at: float
    has_ended: bool = False


_deadline: contextvars.ContextVar[_Deadline | None] = contextvars.ContextVar("ipc_deadline", default=None)


def seconds_left() -> float | None:
    """Return what is left to the call that is being handled, None where none is.

    It holds in the method and in all tasks and threads that this begins (they copy its context), until the call has
    ended: what goes on after that is not held to it.
    """
    deadline = _deadline.get()
    return None if deadline is None or deadline.has_ended else max(0.0, deadline.at - time.monotonic())


@dataclass(frozen=True, slots=True, kw_only=True)
class CallContext:
    """All that came with a call besides key, data and query; ``deadline`` is in seconds of the monotonic clock."""

    resource: str
    op: str
    source: str
    deadline: float
    idempotency_key: str | None
    meta: Any
    traceparent: str | None

    @property
    def seconds_left(self) -> float:
        """What is left until nobody waits for the reply any more."""
        return max(0.0, self.deadline - time.monotonic())


Method = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method that answers calls, with the names that it takes: those in ``needed`` have no default."""

    method: Method
    takes: tuple[str, ...]
    needed: frozenset[str]


@dataclass(frozen=True, slots=True)
class ServedResource:
    """A resource of a worker: its operations, and how many calls it answers at the same time."""

    name: str
    operations: Mapping[str, Operation]
    limit: int | None
    context: OwnContext["CallContext"]

    def as_message(self) -> Resource:
        """Return it as ``serve`` says it."""
        return Resource(name=self.name, ops=list(self.operations), limit=self.limit)


def served_resource(name: str, handler: object, *, limit: int | None = None) -> ServedResource:
    """Return what an object answers: each of its public ``async`` methods is an operation.

    A method takes what it names of ``key``, ``data``, ``query`` and ``ctx``. What has no default has to be in the call.
    Where the object has an attribute ``ops``, only the methods that it names are operations. What the programs of
    callers may see besides the facts of the call is in ``jsonlex_context``: a mapping, or a method that is given the
    `CallContext` and returns one, ``async`` or not.

    Raises:
        BadMessageError: INVALID_RESOURCE, the name is wrong.
        TypeError: a method takes something else, there is none, or the context is none.

    """
    check_resource(name)
    methods = dict(inspect.getmembers(handler, inspect.iscoroutinefunction))
    ops = getattr(handler, "ops", [op for op in methods if not op.startswith("_") and op != "jsonlex_context"])
    if missing := [op for op in ops if op not in methods]:
        raise TypeError(f"{handler!r} has no async method {' and no '.join(missing)}")
    if not ops:
        raise TypeError(f"{handler!r} has no public async method, so nothing of {name} could be called")
    context = getattr(handler, "jsonlex_context", {})
    check_own_context(context)
    return ServedResource(name, {op: _operation(op, methods[op]) for op in ops}, limit, context)


class Replying(Protocol):
    """Where replies go."""

    def reply(self, reply: Reply, session: str) -> None:
        """Send a reply, if the session that the call came by is still open."""


class ResourceCalls:
    """The calls that a worker is answering.

    Args:
        resources: what it serves.
        on_error: told of every exception that is a bug of a method.
        limits: what the hub takes; a larger reply is answered with DATA_TOO_LARGE here already.

    """

    def __init__(
        self,
        resources: Mapping[str, ServedResource],
        on_error: Callable[[Exception, CallContext], None],
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        self._resources = resources
        self._max_bytes = limits.data_bytes
        self._programs = Programs()
        self._keyed = KeyedCalls()
        self._on_error = on_error
        self._at_work: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._tasks = OwnedTasks("calls")

    def take(self, call: ServerCall, session: str, link: Replying) -> None:
        """Answer a call, in a task of its own."""
        answering = self._answer(call, _context_of(call), session, link)
        task = self._tasks.start(answering, f"{call.resource}.{call.op}")
        self._at_work[session, call.id] = task
        task.add_done_callback(lambda _: self._at_work.pop((session, call.id), None))

    def cancel(self, call_id: str, session: str) -> None:
        """Stop working on a call that nobody waits for any more."""
        task = self._at_work.get((session, call_id))
        if task is not None:
            task.cancel()

    def lost(self, session: str) -> None:
        """Stop working on the calls of a session whose connection is gone."""
        for key, task in list(self._at_work.items()):
            if key[0] == session:
                task.cancel()

    @property
    def running(self) -> "frozenset[asyncio.Task[None]]":
        """The calls that are being answered."""
        return self._tasks.running

    async def finish(self, *, timeout_s: float) -> None:
        """Wait until all calls that were taken are answered, and cancel those that take too long."""
        if tasks := self._tasks.running:
            await asyncio.wait(tasks, timeout=timeout_s)
        await self._tasks.close()

    async def _answer(self, call: ServerCall, context: CallContext, session: str, link: Replying) -> None:
        deadline = _Deadline(context.deadline)
        _deadline.set(deadline)
        try:
            with answering(call, session) as step:
                reply = await self._reply(call, context, step)
        finally:
            deadline.has_ended = True
        link.reply(reply, session)

    async def _reply(self, call: ServerCall, context: CallContext, step: Scope) -> Reply:
        timer = asyncio.timeout(context.seconds_left)
        try:
            async with timer:
                data = await self._keyed.once(call, lambda: self._result(call, context))
            reply = Reply(id=call.id, data=data)
        except IPCError as error:
            step.failed(error)
            reply = Reply(id=call.id, error=_error_of(error))
        except Exception as error:  # noqa: BLE001 - whatever a method raises is answered
            step.failed(error)
            if isinstance(error, TimeoutError) and timer.expired():
                return Reply(id=call.id, error=_error_of(DeadlineError("not done in time")))
            self._on_error(error, context)
            reply = Reply(id=call.id, error=_bug(error))
        return reply

    async def _result(self, call: ServerCall, context: CallContext) -> Raw | UnsetType:
        resource = self._resources.get(call.resource)
        operation = resource.operations.get(call.op) if resource is not None else None
        if resource is None or operation is None:
            raise BadMessageError(f"{call.resource}.{call.op} is not served here", code=ErrorCode.METHOD_NOT_ALLOWED)
        given = await self._given(call, resource, context)
        missing = operation.needed - given.keys() - {"ctx"}
        if missing:
            raise ValidationFailedError(
                f"{call.resource}.{call.op} needs {' and '.join(sorted(missing))}",
                details={name: ["This is needed."] for name in sorted(missing)},
            )
        arguments: dict[str, Any] = {name: given[name] for name in operation.takes if name in given}
        if "ctx" in operation.takes:
            arguments["ctx"] = context
        data = await operation.method(**arguments)
        return UNSET if data is None else self._encoded(data, call)

    async def _given(self, call: ServerCall, resource: ServedResource, context: CallContext) -> dict[str, Any]:
        """Return what the call has of ``key``, ``data`` and ``query``; null counts as nothing."""
        given: dict[str, Any] = {} if call.key is None else {"key": call.key}
        for name, raw in (("data", call.data), ("query", call.query)):
            if not isinstance(raw, UnsetType):
                given[name] = msgspec.json.decode(raw)
        if call.jsonlex:
            facts = {"source": context.source, "resource": context.resource, "op": context.op, "key": call.key}
            visible = await program_context(resource.context, context, facts)
            for name in given.keys() - {"key"}:
                given[name] = await self._programs.value_of(name, given[name], visible)
        return {name: value for name, value in given.items() if value is not None}

    def _encoded(self, data: Any, call: ServerCall) -> Raw:
        raw = codec.encode_json(data).encode()
        if len(raw) > self._max_bytes:
            # The hub would refuse it, and the owner would seem to be broken.
            raise BadMessageError(
                f"the reply of {call.resource}.{call.op} has {len(raw)} bytes, and may have {self._max_bytes}: "
                "ask for less",
                code=ErrorCode.DATA_TOO_LARGE,
                details={"limit": self._max_bytes},
            )
        return Raw(raw)


def _operation(op: str, method: Method) -> Operation:
    check_op(op)
    parameters = inspect.signature(method).parameters
    if unknown := parameters.keys() - set(TAKES):
        raise TypeError(f"{op}() takes {', '.join(sorted(unknown))}; an operation takes of {', '.join(TAKES)}")
    needed = frozenset(name for name, parameter in parameters.items() if parameter.default is parameter.empty)
    return Operation(method, tuple(parameters), needed)


def _context_of(call: ServerCall) -> CallContext:
    return CallContext(
        resource=call.resource,
        op=call.op,
        source=call.source,
        deadline=time.monotonic() + call.deadline_ms / 1000,
        idempotency_key=call.idempotency_key,
        meta=call.meta,
        traceparent=call.traceparent,
    )


def _error_of(error: IPCError) -> CallError:
    """Return what the hub takes for certain: details are made of what the caller has sent."""
    told = call_error(error)
    return told if _fits(told.details) else msgspec.structs.replace(told, details=UNSET)


def _fits(details: Any) -> bool:
    try:
        return details is UNSET or len(codec.encode_json(details)) <= MAX_DETAILS_BYTES
    except BadMessageError:
        return False


def _bug(error: Exception) -> CallError:
    return call_error(IPCError(f"the owner failed: {type(error).__name__}"))
