"""The long operations of a hub's sessions: how far they are is written a few times a second, and told to their targets.

An operation is cancelled by revoking its handle. Hubs tell each other of revocations, and look for them by themselves.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from ipc.hub.chores import told_or_later
from ipc.hub.open_operations import OpenOperation, OpenOperations, now_ms
from ipc.hub.session import Session
from ipc.protocol.errors import (
    CancelledByOperator,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OverloadedError,
)
from ipc.protocol.ids import new_ulid
from ipc.protocol.messages import Operation
from ipc.protocol.operations import OPERATION_EVENTS, OperationInfo, check_name, check_total, percent_of
from ipc.protocol.permissions import check_permission
from ipc.protocol.services import full_name
from ipc.stores.operations import Operations as OperationStore
from ipc.stores.operations import as_seen

logger = logging.getLogger(__name__)

WRITE_S: Final = 0.5
LOOK_S: Final = 0.7
TRIES: Final = 5


class Operations:
    """The operations of one hub.

    Args:
        store: where they are.
        tell_all: tells all hubs that a handle was revoked.
        emit: emits the event that tells how an operation is.

    """

    def __init__(
        self,
        store: OperationStore,
        *,
        tell_all: Callable[[], Awaitable[None]],
        emit: Callable[[OperationInfo], None],
    ) -> None:
        self._store = store
        self._tell_all = tell_all
        self._emit = emit
        self._open = OpenOperations(store, self._tell)
        self._told = asyncio.Event()
        self._asked: Mapping[str, Callable[[Session, Operation], Awaitable[OperationInfo]]] = {
            "begin": self._begin,
            "progress": self._progress,
            "end": self._end,
            "cancel": self._cancel,
        }

    async def ask(self, session: Session, message: Operation) -> list[OperationInfo]:
        """Do what a session asks for, and return the operation that it is about, or those that were asked for.

        Raises:
            CancelledByOperator: the operation was cancelled.
            ConflictError: it has ended.
            ForbiddenError: it is another service's.
            NotFoundError: there is none.
            OverloadedError: the session has too many.
            BadMessageError: a value is wrong.
            UnavailableError: Redis is out of reach.

        """
        check_permission(session.identity.permissions, "state", "")
        if message.op == "list":
            service = session.service if message.service is None else full_name(message.service)
            if service != session.service:
                _check_may_see_all(session, service)
            return await self.list(service)
        return [await self._asked[message.op](session, message)]

    async def list(self, service: str | None = None) -> list[OperationInfo]:
        """Return the operations of a service, by either name, or of all, the newest first.

        Raises:
            UnknownServiceError: there is no such service.
            UnavailableError: Redis is out of reach.

        """
        await self.write()
        name = full_name(service) if service is not None else None
        return await self._store.list(name, now_ms=now_ms())

    async def get(self, operation: str) -> OperationInfo:
        """Return an operation as `list` has it.

        Raises:
            NotFoundError: there is none.
            UnavailableError: Redis is out of reach.

        """
        await self.write()
        info = await self._known(operation)
        (is_revoked,) = await self._store.revoked([info])
        return as_seen(info, is_revoked=is_revoked, now_ms=now_ms())

    async def cancel(self, operation: str, *, by: str) -> OperationInfo:
        """Cancel an operation, and return it; one that is cancelled already stays so.

        Raises:
            NotFoundError: there is none.
            ConflictError: it has ended.
            UnavailableError: Redis is out of reach.

        """
        for _ in range(TRIES):
            info = await self._known(operation)
            if info.status == "cancelled":
                return info
            if not info.is_running:
                raise _ended(info)
            cancelled = msgspec.structs.replace(
                info, status="cancelled", error=f"cancelled by {by}"[:200], updated_ms=now_ms()
            )
            if await self._store.replace(info, cancelled):
                await self._store.revoke(info, by=by)
                self._tell(cancelled)
                self._open.interrupt(cancelled)
                await self._tell_all()
                return cancelled
        raise OverloadedError(f"the operation {operation} changes all the time: try again")

    # What runs beside

    async def heard(self) -> None:
        """Take note that something was revoked somewhere; what it was is in Redis."""
        self._told.set()

    async def watch(self) -> None:
        """Tell sessions whose operations were cancelled, until cancelled itself."""
        while True:
            await told_or_later(self._told, LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Look which operations were cancelled."""
        await self._open.look()

    async def write(self) -> None:
        """Write how far operations are, and tell their targets; a failure is made up for the next time."""
        await self._open.write_all()

    def leave(self, session: Session) -> None:
        """Let go of the operations of a session that is gone; it may go on with them in another one."""
        self._open.leave(session)

    # What sessions ask for

    async def _begin(self, session: Session, message: Operation) -> OperationInfo:
        self._open.check_room(session)
        target = full_name(message.target) if message.target is not None else None
        if target is not None:
            for event in sorted(OPERATION_EVENTS):
                check_permission(session.identity.permissions, "emit", event)
        begun_ms = now_ms()
        info = OperationInfo(
            id=new_ulid(),
            name=check_name(message.name or ""),
            service=session.service,
            instance=session.instance,
            target=target,
            total=check_total(message.total),
            # As they are read again, so that what is written is byte for byte the same.
            done=0.0,
            percent=0.0,
            text=message.text or "",
            status="running",
            error=None,
            begun_ms=begun_ms,
            updated_ms=begun_ms,
        )
        await self._store.begin(info)
        self._open.hold(OpenOperation(session, info))
        return info

    async def _progress(self, session: Session, message: Operation) -> OperationInfo:
        each = await self._opened(session, message)
        each.now = _advanced(each.now, message, "running")
        return each.now

    async def _end(self, session: Session, message: Operation) -> OperationInfo:
        each = await self._opened(session, message)
        status = "failed" if message.error is not None else "done"
        # What is done is all of it, whatever was said last.
        done = each.now.total if status == "done" else message.done
        each.now = _advanced(each.now, msgspec.structs.replace(message, done=done), status)
        await self._open.write(each)
        if each.now.status == "cancelled":
            raise CancelledByOperator(f"the operation was {each.now.error or 'cancelled'}")
        return each.now

    async def _cancel(self, session: Session, message: Operation) -> OperationInfo:
        info = await self._known(message.operation or "")
        if info.service != session.service:
            _check_may_see_all(session, info.service)
        return await self.cancel(info.id, by=session.instance)

    async def _opened(self, session: Session, message: Operation) -> OpenOperation:
        """Return an operation that a session is at, which it may have begun at another hub.

        One that has ended may be ended again as long as that is not written: whoever did so was told to try again.
        """
        operation = message.operation or ""
        each = self._open.get(operation)
        if each is None:
            info = await self._known(operation)
            (is_revoked,) = await self._store.revoked([info])
            info = as_seen(info, is_revoked=is_revoked, now_ms=info.updated_ms)
            each = self._open.get(operation) or OpenOperation(session, info)
        if each.now.service != session.service:
            raise ForbiddenError(f"the operation {operation} is {each.now.service}'s")
        if each.now.status == "cancelled":
            raise CancelledByOperator(f"the operation was {each.now.error or 'cancelled'}")
        if not each.now.is_running and (message.op != "end" or each.is_written):
            raise _ended(each.now)
        each.session = session
        self._open.hold(each)
        return each

    # Inside

    async def _known(self, operation: str) -> OperationInfo:
        info = await self._store.get(operation)
        if info is None:
            raise NotFoundError(f"there is no operation {operation[:64]!r}, or it ended more than a day ago")
        return info

    def _tell(self, info: OperationInfo) -> None:
        if info.target is not None:
            self._emit(info)


def _advanced(info: OperationInfo, message: Operation, status: Any) -> OperationInfo:
    done = info.done if message.done is None else message.done
    return msgspec.structs.replace(
        info,
        done=done,
        percent=percent_of(done, info.total),
        text=info.text if message.text is None else message.text,
        error=message.error,
        status=status,
        updated_ms=now_ms(),
    )


def _check_may_see_all(session: Session, service: str) -> None:
    if "*" not in session.identity.permissions:
        raise ForbiddenError(
            f"operations of {service} are for itself, and for who has the permission *", details={"needed": "*"}
        )


def _ended(info: OperationInfo) -> ConflictError:
    return ConflictError(f"the operation {info.id} is {info.status} already")
