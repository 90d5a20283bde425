"""Long operations of a service: a block of work that says how far it is, and that an operator can cancel."""

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from msgspec import UNSET

from ipc.hub.tasks import OwnedTasks
from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import CancelledByOperator, ConflictError, IPCError, NotBuiltError
from ipc.protocol.ids import new_ulid
from ipc.protocol.messages import Operation as Message
from ipc.protocol.operations import (
    HEARTBEAT_S,
    MAX_ERROR,
    OperationInfo,
    check_name,
    check_text,
    check_total,
    percent_of,
)
from ipc.protocol.services import full_name
from ipc.transports.link import Link

logger = logging.getLogger(__name__)

REPORT_S: Final = 0.5
"""How long after one report of the progress the next one is sent, with whatever is true by then."""
END_TIMEOUT_S: Final = 10.0
INTERRUPTED_TIMEOUT_S: Final = 2.0


async def asked(link: Link, message: Message, *, timeout_s: float = 10.0) -> list[OperationInfo]:
    """Return the operations that a message is answered with.

    Raises:
        CancelledByOperator: the operation was cancelled.
        IPCError: it was refused, or there was no answer.

    """
    try:
        ok = await link.request(message, timeout_s=timeout_s)
    except IPCError as error:
        if error.code is ErrorCode.CANCELLED:
            raise CancelledByOperator(error.message) from error
        raise
    if ok.operations is UNSET:
        raise NotBuiltError("the bridge is older than this library: it knows no operations")
    return ok.operations


class OpenOperations:
    """The operations that one client is at."""

    def __init__(self) -> None:
        self._open: dict[str, Operation] = {}

    def add(self, operation: "Operation") -> None:
        """Take an operation in that has begun."""
        self._open[operation.id] = operation

    def remove(self, operation: "Operation") -> None:
        """Let go of an operation."""
        self._open.pop(operation.id, None)

    def connected(self) -> None:
        """Say on a new session how far all are, so that its hub knows of them."""
        for operation in self._open.values():
            operation.report()

    def cancelled(self, operation: str) -> None:
        """Take note that an operation was cancelled."""
        if operation in self._open:
            self._open[operation].cancel()


class Operation:
    """One long operation, for the length of an ``async with`` block, which `Client.operation` makes.

    When the block is left the operation is done, or it has failed with what the block has raised. When an operator
    cancels it, the block is cancelled, and `CancelledByOperator` comes out of it.

    Args:
        link: returns the way to the hub.
        opened: where it is while it is open.

    """

    def __init__(
        self, link: Callable[[], Link], opened: OpenOperations, name: str, *, target: str | None, total: float
    ) -> None:
        self.id = ""
        self.cancelled = False
        self._link = link
        self._opened = opened
        self._name = check_name(name)
        self._target = None if target is None else full_name(target)
        self._total = check_total(total)
        self._done: float = 0
        self._text = ""
        self._news = asyncio.Event()
        self._tasks = OwnedTasks(f"operation {name}")
        self._block: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._is_interrupted = False

    @property
    def percent(self) -> float:
        """How much is done, in percent, by what was said last."""
        return percent_of(self._done, self._total)

    async def __aenter__(self) -> Self:
        message = Message(id=new_ulid(), op="begin", name=self._name, target=self._target, total=self._total)
        (info,) = await asked(self._link(), message)
        self.id = info.id
        self._block = asyncio.current_task()
        self._cancelling = self._block.cancelling() if self._block is not None else 0
        self._opened.add(self)
        self._tasks.start(self._report(), "progress")
        return self

    async def progress(self, done: float, text: str = "") -> None:
        """Say how much of the total is done, and what is being done now.

        It waits for nobody, and may be said as often as one likes: it is sent twice a second, as it is by then.

        Args:
            done: of the total, which is 100 if nothing else was said.
            text: for people, at most 500 characters.

        Raises:
            CancelledByOperator: the operation was cancelled.
            BadMessageError: it is less than nothing or more than all, or the text is too long.

        """
        if self.cancelled:
            raise CancelledByOperator(f"the operation {self._name} was cancelled")
        percent_of(done, self._total)
        self._done, self._text = done, codec.sendable(check_text(text))
        self._news.set()
        # A loop that does nothing else is interrupted here.
        await asyncio.sleep(0)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.remove(self)
        # From here on there is nothing to interrupt.
        block, self._block = self._block, None
        if self._is_interrupted:
            # Before anything else waits, and gets it.
            await self._absorb(error)
        await self._tasks.close()
        is_ours = error is None
        if self._is_interrupted and block is not None:
            is_last = block.uncancel() <= self._cancelling
            is_ours = is_ours or (is_last and isinstance(error, asyncio.CancelledError))
        elif not self.cancelled:
            await self._end(error)
            return
        if is_ours:
            raise CancelledByOperator(f"the operation {self._name} was cancelled") from error

    # What the link tells

    def report(self) -> None:
        """Say soon how far it is."""
        self._news.set()

    def cancel(self) -> None:
        """Take note that an operator has cancelled it, and interrupt the block."""
        self.cancelled = True
        if self._block is not None and not self._is_interrupted and not self._block.done():
            self._is_interrupted = True
            self._block.cancel()

    # Inside

    async def _report(self) -> None:
        """Send what is true, when there is something new, and now and then when there is not."""
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            message = Message(id=new_ulid(), op="progress", operation=self.id, done=self._done, text=self._text)
            try:
                await asked(self._link(), message)
            except CancelledByOperator:
                self.cancel()
                return
            except IPCError as failure:
                logger.warning("how far the operation %s is was not heard: %s", self._name, failure)
                if not failure.retryable:
                    return
            await asyncio.sleep(REPORT_S)

    async def _end(self, error: BaseException | None) -> None:
        is_interrupted = isinstance(error, asyncio.CancelledError)
        message = Message(
            id=new_ulid(),
            op="end",
            operation=self.id,
            done=self._done,
            text=self._text,
            error=None if error is None else _described(error),
        )
        try:
            await asked(self._link(), message, timeout_s=INTERRUPTED_TIMEOUT_S if is_interrupted else END_TIMEOUT_S)
        except CancelledByOperator:
            self.cancelled = True
            if error is None:
                raise
        except ConflictError:
            logger.debug("the end of the operation %s was heard before", self._name)
        except IPCError as failure:
            logger.warning("the end of the operation %s was not heard, so it will count as lost: %s", self.id, failure)

    @staticmethod
    async def _absorb(error: BaseException | None) -> None:
        """Let the interruption come that was asked for, if the block ended before it came."""
        if not isinstance(error, asyncio.CancelledError):
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError:
                return


def _described(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "the service has stopped it"
    return codec.sendable(f"{type(error).__name__}: {error}")[:MAX_ERROR]
