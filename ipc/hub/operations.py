"""The long operations of a hub's sessions: how far they are is written a few times a second, and told to their targets.

An operation is cancelled by revoking its handle. Hubs tell each other of revocations, and look for them by themselves.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

import msgspec

from ipc.hub.session import Session
from ipc.protocol.errors import (
    CancelledByOperator,
    ConflictError,
    ForbiddenError,
    IPCError,
    NotFoundError,
    OverloadedError,
)
from ipc.protocol.ids import new_ulid
from ipc.protocol.messages import Notice, Operation
from ipc.protocol.operations import OPERATION_EVENTS, OperationInfo, check_name, check_total, percent_of
from ipc.protocol.permissions import check_permission
from ipc.protocol.services import full_name
from ipc.stores.operations import Operations as OperationStore
from ipc.stores.operations import as_seen

logger = logging.getLogger(__name__)

MAX_OPEN: Final = 32
"""The operations that a session may have open."""
WRITE_S: Final = 0.5
LOOK_S: Final = 0.7
TRIES: Final = 5


class _Open:
    """An operation that a session of this hub is at: how it is written, and how it is by now."""

    def __init__(self, session: Session, info: OperationInfo) -> None:
        self.session = session
        self.written = info
        self.now = info


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
        self._open: dict[str, _Open] = {}
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
        return await self._store.list(name, now_ms=_now_ms())

    async def get(self, operation: str) -> OperationInfo:
        """Return an operation as `list` has it.

        Raises:
            NotFoundError: there is none.
            UnavailableError: Redis is out of reach.

        """
        await self.write()
        info = await self._known(operation)
        (is_revoked,) = await self._store.revoked([info])
        return as_seen(info, is_revoked=is_revoked, now_ms=_now_ms())

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
                info, status="cancelled", error=f"cancelled by {by}"[:200], updated_ms=_now_ms()
            )
            if await self._store.replace(info, cancelled):
                await self._store.revoke(info, by=by)
                self._tell(cancelled)
                self._interrupt(cancelled)
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
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._told.wait()
            except TimeoutError:
                pass
            self._told.clear()
            await self.look()

    async def look(self) -> None:
        """Look which operations were cancelled."""
        opened = list(self._open.values())
        if not opened:
            return
        try:
            revoked = await self._store.revoked([each.written for each in opened])
            for each in (each for each, is_revoked in zip(opened, revoked, strict=True) if is_revoked):
                await self._was_revoked(each)
        except IPCError as error:
            logger.warning("cannot look for cancelled operations: %s", error)

    async def write(self) -> None:
        """Write how far operations are, and tell their targets; a failure is made up for the next time."""
        for each in [each for each in self._open.values() if each.now is not each.written]:
            try:
                await self._write(each)
            except IPCError as error:
                logger.warning("how far operations are is written later: %s", error)
                return

    def leave(self, session: Session) -> None:
        """Let go of the operations of a session that is gone; it may go on with them in another one."""
        for operation in [name for name, each in self._open.items() if each.session is session]:
            del self._open[operation]

    # What sessions ask for

    async def _begin(self, session: Session, message: Operation) -> OperationInfo:
        if len([each for each in self._open.values() if each.session is session]) >= MAX_OPEN:
            raise OverloadedError(f"a session has at most {MAX_OPEN} operations: end one first")
        target = full_name(message.target) if message.target is not None else None
        if target is not None:
            for event in sorted(OPERATION_EVENTS):
                check_permission(session.identity.permissions, "emit", event)
        now_ms = _now_ms()
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
            begun_ms=now_ms,
            updated_ms=now_ms,
        )
        await self._store.begin(info)
        self._open[info.id] = _Open(session, info)
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
        await self._write(each)
        self._open.pop(each.now.id, None)
        if each.now.status == "cancelled":
            raise CancelledByOperator(f"the operation was {each.now.error or 'cancelled'}")
        return each.now

    async def _cancel(self, session: Session, message: Operation) -> OperationInfo:
        info = await self._known(message.operation or "")
        if info.service != session.service:
            _check_may_see_all(session, info.service)
        return await self.cancel(info.id, by=session.instance)

    async def _opened(self, session: Session, message: Operation) -> _Open:
        """Return an operation that a session is at, which it may have begun at another hub."""
        operation = message.operation or ""
        each = self._open.get(operation)
        if each is None:
            info = await self._known(operation)
            (is_revoked,) = await self._store.revoked([info])
            info = as_seen(info, is_revoked=is_revoked, now_ms=info.updated_ms)
            each = self._open.get(operation) or _Open(session, info)
        if each.now.service != session.service:
            raise ForbiddenError(f"the operation {operation} is {each.now.service}'s")
        if each.now.status == "cancelled":
            raise CancelledByOperator(f"the operation was {each.now.error or 'cancelled'}")
        if not each.now.is_running:
            raise _ended(each.now)
        each.session = session
        self._open[operation] = each
        return each

    # Inside

    async def _known(self, operation: str) -> OperationInfo:
        info = await self._store.get(operation)
        if info is None:
            raise NotFoundError(f"there is no operation {operation[:64]!r}, or it ended more than a day ago")
        return info

    async def _write(self, each: _Open) -> None:
        """Write how an operation is; what has ended meanwhile by another hand stays as it is."""
        new, old = each.now, each.written
        if await self._store.replace(old, new):
            each.written = new
            if (new.done, new.text, new.status) != (old.done, old.text, old.status):
                self._tell(new)
            return
        found = await self._store.get(new.id)
        if found is None:
            self._open.pop(new.id, None)
        elif found.is_running:
            # Another hub, at which the session was before, has written later than it.
            each.written = found
            if new.is_running:
                return
            await self._write(each)
        else:
            each.now = each.written = found
            self._open.pop(new.id, None)
            if found.status == "cancelled":
                _notify(each)

    async def _was_revoked(self, each: _Open) -> None:
        """Write that an operation is cancelled whose handle was revoked by other means than by cancelling it."""
        each.now = msgspec.structs.replace(
            each.now, status="cancelled", error="its handle was revoked", updated_ms=_now_ms()
        )
        await self._write(each)
        self._interrupt(each.now)

    def _interrupt(self, info: OperationInfo) -> None:
        """Tell the session that is at an operation here that it is cancelled."""
        each = self._open.pop(info.id, None)
        if each is not None:
            each.now = each.written = info
            _notify(each)

    def _tell(self, info: OperationInfo) -> None:
        if info.target is not None:
            self._emit(info)


def _notify(each: _Open) -> None:
    each.session.answer(Notice(notice="cancelled", operation=each.now.id))


def _advanced(info: OperationInfo, message: Operation, status: Any) -> OperationInfo:
    done = info.done if message.done is None else message.done
    return msgspec.structs.replace(
        info,
        done=done,
        percent=percent_of(done, info.total),
        text=info.text if message.text is None else message.text,
        error=message.error,
        status=status,
        updated_ms=_now_ms(),
    )


def _check_may_see_all(session: Session, service: str) -> None:
    if "*" not in session.identity.permissions:
        raise ForbiddenError(
            f"operations of {service} are for itself, and for who has the permission *", details={"needed": "*"}
        )


def _ended(info: OperationInfo) -> ConflictError:
    return ConflictError(f"the operation {info.id} is {info.status} already")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
