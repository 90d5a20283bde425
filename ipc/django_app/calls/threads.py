"""Database work of calls: in threads of their own, in a transaction where it writes, and undone if nobody waits."""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from django.db import close_old_connections, connections, transaction

from ipc.protocol.errors import DeadlineError
from ipc.resources import CallContext

T = TypeVar("T")
POSTGRESQL: Final = "postgresql"


class _Wait:
    """Whether the caller still waits: asked in the thread, told in the event loop."""

    def __init__(self, ctx: CallContext) -> None:
        self._ctx = ctx
        self.is_over = False

    def check(self) -> None:
        """Raise DeadlineError if nobody waits any more."""
        if self.is_over or self._ctx.seconds_left <= 0:
            raise DeadlineError(f"{self._ctx.resource}.{self._ctx.op} was not done in time; nothing was changed")

    @property
    def left_ms(self) -> int:
        return max(1, int(self._ctx.seconds_left * 1000))


class DatabaseThreads:
    """A few threads, each with a connection of its own, so that a slow call does not hold up a service's other work.

    Connections are looked after before and after each call, as Django does around a request.

    Args:
        name: of the threads.
        count: how many there are, which is how many calls the database is given at once.

    """

    def __init__(self, name: str, count: int) -> None:
        self._pool = ThreadPoolExecutor(count, thread_name_prefix=f"ipc-{name}")

    async def run(self, work: Callable[[], T], ctx: CallContext, *, using: str, is_write: bool) -> T:
        """Do work in a thread, and return what it returns.

        Work that has not begun when the caller is gone is not begun, and a write is undone that would be finished
        after that.

        Raises:
            DeadlineError: the time of the call was over.

        """
        wait = _Wait(ctx)
        context = contextvars.copy_context()
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, lambda: context.run(_with_connection, work, wait, using, is_write)
            )
        except asyncio.CancelledError:
            wait.is_over = True
            raise


def _with_connection(work: Callable[[], T], wait: _Wait, using: str, is_write: bool) -> T:
    wait.check()
    close_old_connections()
    try:
        if is_write or connections[using].vendor == POSTGRESQL:
            return _in_transaction(work, wait, using)
        # SQLite's transactions take the write lock here, which reading has no use for.
        return work()
    finally:
        close_old_connections()


def _in_transaction(work: Callable[[], T], wait: _Wait, using: str) -> T:
    with transaction.atomic(using=using):
        if connections[using].vendor == POSTGRESQL:
            # Ends with the transaction (postgresql.org/docs/current/runtime-config-client.html).
            with connections[using].cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{wait.left_ms}ms"])
        result = work()
        wait.check()
        return result
