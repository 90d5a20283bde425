"""What a service does in the mesh by itself: it emits events, calls resources, and is at long operations."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from ipc.asker import Asker, checked_id
from ipc.hooks import Hooks
from ipc.hub.tasks import OwnedTasks
from ipc.operations import OpenOperations, Operation, asked
from ipc.protocol.calls import MAX_TIMEOUT_MS, check_op, check_resource
from ipc.protocol.declarations import MAX_EVENTS, Declaration, check_declaration
from ipc.protocol.errors import DeadlineError
from ipc.protocol.ids import new_ulid
from ipc.protocol.messages import Call, Emit
from ipc.protocol.messages import Operation as OperationMessage
from ipc.protocol.operations import OperationInfo
from ipc.protocol.patterns import check_event
from ipc.protocol.routing import logs_of_target
from ipc.protocol.services import full_name
from ipc.resources import seconds_left
from ipc.schemas import json_schema
from ipc.tracing.steps import calling, emitting

NOTHING = UNSET
"""Stands for no data and no query at all, since ``None`` is JSON's null."""


class Client(Asker):
    """One instance's way to act in the mesh; `IPCWorker` adds handlers and running.

    Args:
        service: the service's name, short or full.
        version: of the service, to be shown; at most 64 characters.

    """

    def __init__(self, service: str, *, version: str = "") -> None:
        super().__init__(service, version=version)
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

    def _raw_or_unset(self, value: Any) -> Raw | UnsetType:
        return UNSET if value is UNSET else self._raw(value)
