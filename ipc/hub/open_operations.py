"""The long operations that the sessions of a hub are at: how each is by now, and how it was written last."""

import logging
import time
from collections.abc import Callable
from typing import Final

import msgspec

from ipc.hub.session import Session
from ipc.protocol.errors import IPCError, OverloadedError
from ipc.protocol.messages import Notice
from ipc.protocol.operations import OperationInfo
from ipc.stores.operations import Operations as OperationStore

logger = logging.getLogger(__name__)

MAX_OPEN: Final = 32
"""The operations that a session may have open."""


class OpenOperation:
    """An operation that a session of this hub is at."""

    def __init__(self, session: Session, info: OperationInfo) -> None:
        self.session = session
        self.written = info
        self.now = info

    @property
    def is_written(self) -> bool:
        """Whether Redis has it as it is."""
        return self.now is self.written


class OpenOperations:
    """The open operations of one hub, each until it has ended and that is written, or its session is gone.

    Args:
        store: where they are.
        tell: tells the target of an operation how it is.

    """

    def __init__(self, store: OperationStore, tell: Callable[[OperationInfo], None]) -> None:
        self._store = store
        self._tell = tell
        self._open: dict[str, OpenOperation] = {}

    def get(self, operation: str) -> OpenOperation | None:
        """Return one that is open, or None."""
        return self._open.get(operation)

    def check_room(self, session: Session) -> None:
        """Raise an error when a session has as many as it may.

        Raises:
            OverloadedError: it has.

        """
        if len([each for each in self._open.values() if each.session is session]) >= MAX_OPEN:
            raise OverloadedError(f"a session has at most {MAX_OPEN} operations: end one first")

    def hold(self, each: OpenOperation) -> None:
        """Look after one from now on, unless its session has left meanwhile."""
        if not each.session.is_closed:
            self._open[each.now.id] = each

    def leave(self, session: Session) -> None:
        """Let go of the operations of a session that is gone; it may go on with them in another one."""
        for operation in [name for name, each in self._open.items() if each.session is session]:
            del self._open[operation]

    async def look(self) -> None:
        """Look which operations were cancelled by revoking their handles."""
        opened = list(self._open.values())
        if not opened:
            return
        try:
            revoked = await self._store.revoked([each.written for each in opened])
            for each in (each for each, is_revoked in zip(opened, revoked, strict=True) if is_revoked):
                await self._was_revoked(each)
        except IPCError as error:
            logger.warning("cannot look for cancelled operations: %s", error)

    async def write_all(self) -> None:
        """Write how far operations are, and tell their targets; a failure is made up for the next time."""
        for each in [each for each in self._open.values() if not each.is_written]:
            try:
                await self.write(each)
            except IPCError as error:
                logger.warning("how far operations are is written later: %s", error)
                return

    async def write(self, each: OpenOperation) -> None:
        """Write how an operation is; what has ended meanwhile by another hand stays as it is.

        Raises:
            UnavailableError: Redis is out of reach; it may have been written.

        """
        new, old = each.now, each.written
        if await self._store.replace(old, new):
            each.written = new
            if not new.is_running:
                self._ended(each)
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
            await self.write(each)
        else:
            each.now = each.written = found
            self._ended(each)

    def interrupt(self, info: OperationInfo) -> None:
        """Tell the session that is at an operation here that it is cancelled."""
        each = self._open.get(info.id)
        if each is not None:
            each.now = each.written = info
            self._ended(each)

    async def _was_revoked(self, each: OpenOperation) -> None:
        """Write that an operation is cancelled whose handle was revoked by other means than by cancelling it."""
        each.now = msgspec.structs.replace(
            each.now, status="cancelled", error="its handle was revoked", updated_ms=now_ms()
        )
        await self.write(each)

    def _ended(self, each: OpenOperation) -> None:
        """Let go of one that is written as ended; whoever is at one that was cancelled is told."""
        if self._open.get(each.now.id) is not each:
            # Two have written it at the same time, or its session has left meanwhile.
            return
        del self._open[each.now.id]
        if each.now.status == "cancelled":
            each.session.answer(Notice(notice="cancelled", operation=each.now.id))


def now_ms() -> int:
    """Return the date in Unix milliseconds."""
    return time.time_ns() // 1_000_000
