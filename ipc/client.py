"""What a service asks of the mesh: to emit events, to call resources, and how things stand."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ipc.hooks import Hooks
from ipc.hub.tasks import OwnedTasks
from ipc.operations import OpenOperations, Operation, asked
from ipc.protocol import codec
from ipc.protocol.calls import MAX_TIMEOUT_MS, check_op, check_resource
from ipc.protocol.declarations import MAX_EVENTS, Declaration, check_declaration
from ipc.protocol.delivery_status import EventStatus
from ipc.protocol.discovery import MAX_VERSION, ServiceInfo, version_of
from ipc.protocol.errors import BadMessageError, DeadlineError, NotBuiltError, UnavailableError
from ipc.protocol.explanation import Explanation
from ipc.protocol.ids import new_ulid
from ipc.protocol.limits import Limits
from ipc.protocol.messages import (
    MAX_ID_LENGTH,
    Call,
    Discover,
    Emit,
    Explain,
    JSONLex,
    Status,
)
from ipc.protocol.messages import Operation as OperationMessage
from ipc.protocol.operations import OperationInfo
from ipc.protocol.patterns import check_event
from ipc.protocol.routing import logs_of_target
from ipc.protocol.services import full_name
from ipc.resources import seconds_left
from ipc.schemas import json_schema
from ipc.tracing.steps import calling, emitting
from ipc.transports.link import Link

NOTHING = UNSET
"""Stands for no data and no query at all, since ``None`` is JSON's null."""


class Client:
    """One instance's way to ask; `IPCWorker` adds handlers and running.

    Args:
        service: the service's name, short or full.
        version: of the service, to be shown; at most 64 characters.

    Raises:
        UnknownServiceError: the catalogue has no such service.
        ValueError: the version is too long, or has characters that no version has.

    """

    def __init__(self, service: str, *, version: str = "") -> None:
        self.service = full_name(service)
        self.version = version
        if version and version_of(version) != version:
            raise ValueError(
                f"a version has 1 to {MAX_VERSION} letters, digits, '.', '-', '+' and '_', not {version!r}"
            )
        self._limits = Limits()
        self._link: Link | None = None
        self._tasks = OwnedTasks(f"worker {self.service}")
        self._hooks = Hooks(self._tasks)
        self._operations = OpenOperations()
        self._declared: dict[str, Declaration] = {}

    # Events

    def declare_event(self, event: str, *, schema: Any, description: str = "", examples: Sequence[Any] = ()) -> None:
        """Say what the data of an event is that this service emits: for the catalogue, and to be checked now and then.

        Args:
            event: its name.
            schema: a type of msgspec such as a Struct, a serializer class of DRF, or a JSON Schema (2020-12).
            description: what the event means, at most 1000 characters.
            examples: of its data, at most 5.

        Raises:
            BadMessageError: the name or the schema is wrong, too large, or refers to something outside of it.
            ValueError: the event is declared already, or there are too many.

        """
        if event in self._declared:
            raise ValueError(f"the event {event!r} is declared already")
        if len(self._declared) >= MAX_EVENTS:
            raise ValueError(f"a service declares at most {MAX_EVENTS} events")
        declaration = Declaration(
            event=event, schema=json_schema(schema), description=description, examples=list(examples)
        )
        check_declaration(declaration)
        self._declared[event] = declaration

    async def emit(
        self,
        event: str,
        data: Any = None,
        *,
        target: str | Sequence[str] | None = None,
        id: str | None = None,  # noqa: A002 - the protocol's word
        meta: Mapping[str, Any] | None = None,
        timeout_s: float = 10.0,
    ) -> str:
        """Emit an event and return its position, once it is safe in the log (in the first log of several targets).

        It is sent again, with the same id, over lost connections and retryable errors until the time is over.

        Args:
            event: ``resource:action``.
            data: any JSON value, at most 256 KiB as JSON.
            target: a service, several, or nothing for all.
            id: an id unique to this event, at most 64 characters, to drop repeats within five minutes; made up when
                not given.
            meta: whatever should travel beside the data.
            timeout_s: seconds to keep trying.

        Raises:
            BadMessageError: the event's name, target or data is wrong.
            ForbiddenError: this service may not emit it.
            DeadlineError: no ``ok`` in time; the event may be in the log all the same.

        """
        check_event(event)
        names = target if isinstance(target, str) or target is None else list(target)
        logs_of_target(names)
        message = Emit(
            id=checked_id(id) if id else new_ulid(),
            event=event,
            data=self._raw(data),
            target=names,
            meta=UNSET if meta is None else self._raw(meta),
            ack=True,
        )
        link = self._running_link("emit")
        with emitting(event, str(message.id)) as message.traceparent:
            ok = await link.request(message, timeout_s=timeout_s)
        position = str(ok.position)
        self._hooks.call("sent", event, position)
        return position

    async def status(
        self, event_id: str, *, source: str | None = None, log: str | None = None, position: str | None = None
    ) -> EventStatus:
        """Return what each group has done with an event, which a ``log`` and ``position`` spare looking for.

        Raises:
            BadMessageError: EVENT_NOT_FOUND, with how far was looked; AMBIGUOUS_EVENT, ask with ``source``.
            ForbiddenError: the event is another service's, which takes the permission ``*``.
            DeadlineError: no answer in time.

        """
        question = Status(id=new_ulid(), event=checked_id(event_id), source=source, log=log, position=position)
        ok = await self._running_link("status").request(question)
        if ok.status is UNSET:
            raise NotBuiltError("the bridge is older than this library: it has no ledger")
        return ok.status

    async def jsonlex(self, expression: Any, context: Any = None) -> Any:
        """Have an expression evaluated by the hub, and return its result; what is no expression comes back as it is.

        Args:
            expression: ``{"__jsonlex": true, "expr": ...}``.
            context: what its variables are looked up in.

        Raises:
            BadMessageError: the expression is wrong or costs too much; ``details`` has the ``pointer``.
            ForbiddenError: this service may not.
            DeadlineError: no answer in time.

        """
        codec.encode_json([expression, context])
        ok = await self._running_link("jsonlex").request(JSONLex(id=new_ulid(), expression=expression, context=context))
        if ok.result is UNSET:
            raise NotBuiltError("the bridge is older than this library: it evaluates no expressions")
        return ok.result

    async def services(self, service: str | None = None) -> list[ServiceInfo]:
        """Return the services that are attached, with their instances and how calls to them are doing.

        Args:
            service: only this one, by either name.

        Raises:
            UnknownServiceError: there is no such service.
            DeadlineError: no answer in time.

        """
        question = Discover(id=new_ulid(), service=None if service is None else full_name(service))
        ok = await self._running_link("services").request(question)
        if ok.services is UNSET:
            raise NotBuiltError("the bridge is older than this library: it cannot say which services there are")
        return ok.services

    async def explain(
        self,
        event: str,
        data: Any = None,
        *,
        target: str | Sequence[str] | None = None,
        meta: Mapping[str, Any] | None = None,
        source: str | None = None,
    ) -> Explanation:
        """Return who would get an event that this service emits, who would not, and why; nothing is emitted.

        Args:
            event: ``resource:action``.
            data: any JSON value, which conditions of subscriptions look at.
            target: a service, several, or nothing for all.
            meta: as `emit` takes it.
            source: another service that would emit it, which takes the permission ``*``.

        Raises:
            BadMessageError: the event's name, target or data is wrong.
            ForbiddenError: the event would be another service's.
            DeadlineError: no answer in time.

        """
        check_event(event)
        names = target if isinstance(target, str) or target is None else list(target)
        logs_of_target(names)
        question = Explain(
            id=new_ulid(),
            event=event,
            data=self._raw(data),
            target=names,
            meta=UNSET if meta is None else self._raw(meta),
            source=source,
        )
        ok = await self._running_link("explain").request(question)
        if ok.explanation is UNSET:
            raise NotBuiltError("the bridge is older than this library: it cannot explain")
        return ok.explanation

    # Calls

    async def create(self, resource: str, data: Any, **options: Any) -> Any:
        """Create a thing of a resource and return what its owner says; options are those of `call`.

        Raises:
            IPCError: as `call` raises it.

        """
        return await self.call(resource, "create", data=data, **options)

    async def read(self, resource: str, query: Any = NOTHING, *, key: str | int | None = None, **options: Any) -> Any:
        """Read the thing with a key, or those that a query asks for; options are those of `call`.

        A key is given by name: ``read("posts", key="1")``. ``read("posts", "1")`` has the query ``"1"`` and no key.

        Raises:
            IPCError: as `call` raises it.

        """
        return await self.call(resource, "read", key=key, query=query, **options)

    async def update(self, resource: str, key: str | int, data: Any, **options: Any) -> Any:
        """Change the thing with a key and return what its owner says; options are those of `call`.

        Raises:
            IPCError: as `call` raises it.

        """
        return await self.call(resource, "update", key=key, data=data, **options)

    async def delete(self, resource: str, key: str | int, **options: Any) -> Any:
        """Delete the thing with a key; options are those of `call`.

        Raises:
            IPCError: as `call` raises it.

        """
        return await self.call(resource, "delete", key=key, **options)

    async def call(
        self,
        resource: str,
        op: str,
        *,
        key: str | int | None = None,
        data: Any = NOTHING,
        query: Any = NOTHING,
        target: str | None = None,
        timeout_s: float = 10.0,
        idempotency_key: str | None = None,
        use_jsonlex: bool = False,
        meta: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call an operation of whoever serves a resource, and return the data of the reply.

        In a method that is answering a call itself, it takes no longer than that call has left. A call that cannot
        have begun, and one that may happen twice (a read, or one with an ``idempotency_key``), is made again over a
        lost connection; another is not. Cancelling this cancels the work of the owner.

        Args:
            resource: such as ``posts``.
            op: ``create``, ``read``, ``update``, ``delete``, or a name of the owner's own.
            key: of the thing that it is about.
            data: any JSON value.
            query: any JSON value.
            target: the service, or the instance, that shall answer; whoever serves it, when not given.
            timeout_s: seconds to wait, at most 60.
            idempotency_key: says that the owner may be given the call twice; at most 64 characters.
            use_jsonlex: ``data`` or ``query`` is a JSONLex program that the owner evaluates.
            meta: whatever should travel beside.

        Raises:
            NoOwnerError: nobody serves the resource.
            OwnerLostError: the owner or the connection went away; the call may have been carried out.
            OverloadedError: the owner has too many calls, or keeps failing.
            DeadlineError: no reply in time; the call may have been carried out.
            ValidationFailedError, NotFoundError, ConflictError, ForbiddenError: what the owner said.
            BadMessageError: a name or a value is wrong.

        """
        left_s = seconds_left()
        wait_s = min(timeout_s, MAX_TIMEOUT_MS / 1000, *(() if left_s is None else (left_s,)))
        if wait_s <= 0:
            raise DeadlineError(f"{resource}.{op} was not called: no time is left")
        message = Call(
            id=new_ulid(),
            op=check_op(op),
            resource=check_resource(resource),
            key=key,
            data=self._raw_or_unset(data),
            query=self._raw_or_unset(query),
            target=target,
            timeout_ms=max(1, int(wait_s * 1000)),
            idempotency_key=None if idempotency_key is None else checked_id(idempotency_key),
            jsonlex=use_jsonlex,
            meta=UNSET if meta is None else self._raw(meta),
        )
        link = self._running_link("call")
        with calling(message) as message.traceparent:
            reply = await link.call(message, timeout_s=wait_s)
        return None if isinstance(reply, UnsetType) else msgspec.json.decode(reply)

    # Long operations

    def operation(self, name: str, *, target: str | None = None, total: float = 100) -> Operation:
        """Return a long operation, which begins with its ``async with`` block and ends with it.

        ::

            async with ipc.operation("import", target="pulse", total=len(rows)) as operation:
                for number, row in enumerate(rows):
                    await take(row)
                    await operation.progress(number + 1, row.name)

        Args:
            name: such as ``import``.
            target: the service that gets its events, ``operation:progress`` and how it ended; nobody if not given.
            total: how much there is to do.

        Raises:
            BadMessageError: the name or the total is none.
            UnknownServiceError: there is no such target.

        """
        return Operation(lambda: self._running_link("operation"), self._operations, name, target=target, total=total)

    async def operations(self, service: str | None = None) -> list[OperationInfo]:
        """Return the long operations of this service, those that run and those of the last day, the newest first.

        Args:
            service: another one, which takes the permission ``*``.

        Raises:
            ForbiddenError: it is another one.
            DeadlineError: no answer in time.

        """
        name = None if service is None else full_name(service)
        return await asked(self._running_link("operations"), OperationMessage(id=new_ulid(), op="list", service=name))

    async def cancel_operation(self, operation: str) -> OperationInfo:
        """Cancel an operation of this service by its id, and return it; one that is cancelled already stays so.

        Raises:
            NotFoundError: there is none.
            ConflictError: it has ended.
            ForbiddenError: it is another service's, which takes the permission ``*``.
            DeadlineError: no answer in time.

        """
        message = OperationMessage(id=new_ulid(), op="cancel", operation=operation)
        (info,) = await asked(self._running_link("cancel_operation"), message)
        return info

    # Inside

    def _running_link(self, what: str) -> Link:
        if self._link is None:
            raise UnavailableError(f"{self.service} is not running: await start() or run() before {what}()")
        return self._link

    def _raw(self, value: Any) -> Raw:
        return Raw(codec.checked_json(codec.encode_json(value).encode(), self._limits))

    def _raw_or_unset(self, value: Any) -> Raw | UnsetType:
        return UNSET if value is UNSET else self._raw(value)


def checked_id(text: str) -> str:
    """Return an id if it may travel.

    Raises:
        BadMessageError: it is too long, or has no JSON form.

    """
    codec.encode_json(text)
    if len(text) > MAX_ID_LENGTH:
        raise BadMessageError(f"an id has at most {MAX_ID_LENGTH} characters, this has {len(text)}: {text[:80]!r}")
    return text
