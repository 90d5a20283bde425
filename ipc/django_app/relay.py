"""The relay: takes events from the outbox to the log, right after their commit, and looks for leftovers by itself.

Several relays in several processes may run at once. A key's rows are sent in order by whoever holds the key
(`claims`); the send is outside any transaction, with the row's ``event_id``, so that an event whose answer was lost is
dropped as a repeat by the log, which remembers ids for five minutes. A failure that may pass keeps the row and its key
waiting; a refusal that would come again parks the row, and the later rows of its key go on without it.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from django.db import Error as DatabaseError
from django.db import close_old_connections, connections

from ipc.django_app.claims import Outcome, Run, claim_runs, release_all, settle
from ipc.django_app.models import OutboxEvent
from ipc.protocol.errors import IPCError
from ipc.protocol.ids import new_ulid
from ipc.protocol.routing import Target
from ipc.tracing.steps import continuing

logger = logging.getLogger(__name__)
T = TypeVar("T")

_ROW_PAUSE_S: Final = 3.0
_OUTAGE_PAUSE_S: Final = 1.5


class Emit(Protocol):
    """How an event gets into the log, such as `IPCWorker.emit`; returns its position there."""

    async def __call__(
        self,
        event: str,
        data: Any,
        *,
        target: Target,
        id: str | None,  # noqa: A002 - the word of the wire protocol
        meta: Mapping[str, Any] | None,
    ) -> str:
        """Append the event.

        Raises:
            IPCError: it is not in the log; ``retryable`` says whether it may be tried again.

        """
        ...


@dataclass(slots=True)
class RelayCounters:
    """What a relay has done since it was made."""

    sent: int = 0
    failed: int = 0
    parked: int = 0


class Relay:
    """Sends the outbox through ``emit``.

    Args:
        emit: puts one event into the log.
        batch: how many keys are sent at once.
        lease_s: for how long a claim holds, in seconds; longer than any send takes.
        poll_s: how often to look for leftovers, in seconds.
        send_timeout_s: how long one send may take, in seconds.
        owner: the name in the claims, unique among all relays; made up by default.

    """

    def __init__(
        self,
        emit: Emit,
        *,
        batch: int = 64,
        lease_s: float = 30.0,
        poll_s: float = 1.0,
        send_timeout_s: float = 5.0,
        owner: str | None = None,
    ) -> None:
        self.counters = RelayCounters()
        self.owner = owner or new_ulid()
        self._emit = emit
        self._batch = batch
        self._lease_s = lease_s
        self._poll_s = poll_s
        self._send_timeout_s = send_timeout_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._woken = asyncio.Event()
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._turn = asyncio.Lock()
        self._thread: ThreadPoolExecutor | None = None
        self._outages = 0

    def wake(self) -> None:
        """Say, from any thread, that there is something to send; without a running relay this does nothing."""
        loop = self._loop
        if loop is None:
            return
        try:
            loop.call_soon_threadsafe(self._woken.set)
        except RuntimeError:
            # The loop was closed a moment ago; the row waits for the next relay.
            logger.debug("woken while stopping")

    async def run(self) -> None:
        """Send until cancelled or stopped; then give the claims back and close the database connection."""
        self._loop = asyncio.get_running_loop()
        self._idle.clear()
        try:
            while not self._stopping.is_set():
                await self._step()
        finally:
            self._loop = None
            self._idle.set()
            await self.aclose()

    async def stop(self) -> None:
        """Let `run` finish what it is sending, and wait until it has."""
        self._stopping.set()
        self._woken.set()
        await self._idle.wait()

    async def drain(self) -> int:
        """Send what can be sent now and return how many events that were; what fails is left to be tried later."""
        sent_before = self.counters.sent
        while True:
            outcome = await self._take_turn()
            if outcome is None or (outcome.failed and not outcome.sent):
                return self.counters.sent - sent_before

    async def aclose(self) -> None:
        """Give all claims back and close the relay's database connection; it may be used again."""
        thread = self._thread
        if thread is None:
            return
        try:
            await self._in_thread(release_all, self.owner)
        except DatabaseError as error:
            logger.warning("claims of %s stay until their lease ends: %s", self.owner, error)
        finally:
            self._thread = None
            thread.submit(connections.close_all)
            await asyncio.to_thread(thread.shutdown)

    async def _step(self) -> None:
        self._woken.clear()
        try:
            outcome = await self._take_turn()
        except DatabaseError as error:
            await self._pause_for_outage(f"the outbox cannot be read: {error}")
            return
        if outcome is None:
            await _wait(self._woken, self._poll_s)
        elif outcome.failed and not outcome.sent:
            await self._pause_for_outage(outcome.failed[0][1])
        elif self._outages:
            logger.info("events go out again")
            self._outages = 0

    async def _pause_for_outage(self, reason: str) -> None:
        if not self._outages:
            logger.warning("events wait in the outbox, trying again until they are sent: %s", reason)
        self._outages += 1
        await _wait(self._stopping, _backoff_s(self._outages, _OUTAGE_PAUSE_S))

    async def _take_turn(self) -> Outcome | None:
        """Claim, send and settle once; None means that nothing was there to claim."""
        async with self._turn:
            runs = await self._in_thread(self._claim)
            if not runs:
                return None
            outcome = Outcome()
            ends_at = asyncio.get_running_loop().time() + self._lease_s / 2
            try:
                async with asyncio.TaskGroup() as sends:
                    for run in runs:
                        sends.create_task(self._send_run(run, outcome, ends_at))
            finally:
                await self._in_thread(settle, self.owner, outcome, runs)
                self.counters.sent += len(outcome.sent)
                self.counters.failed += len(outcome.failed)
                self.counters.parked += len(outcome.parked)
            return outcome

    def _claim(self) -> list[Run]:
        runs = claim_runs(owner=self.owner, lease_s=self._lease_s, keys=self._batch)
        if not runs:
            # Between bursts only, so that a burst keeps its connection whatever CONN_MAX_AGE says.
            close_old_connections()
        return runs

    async def _send_run(self, run: Run, outcome: Outcome, ends_at: float) -> None:
        loop = asyncio.get_running_loop()
        for row in run:
            # Half of the lease is for sending, so that no claim ends under a send.
            if loop.time() >= ends_at:
                return
            with continuing(row.traceparent, row.event_id):
                may_go_on = await self._send_row(row, outcome, min(ends_at, loop.time() + self._send_timeout_s))
            if not may_go_on:
                return

    async def _send_row(self, row: OutboxEvent, outcome: Outcome, until: float) -> bool:
        """Send one row and write down what became of it; tell whether the next one of its key may follow."""
        try:
            async with asyncio.timeout_at(until):
                await self._emit(row.event, row.data, target=row.target, id=row.event_id, meta=row.meta)
        except IPCError as error:
            if error.retryable:
                outcome.failed.append((row.id, str(error), _row_delay_s(row, error)))
                return False
            logger.error("parked %s (%s) of key %s: %s", row.event, row.event_id, row.key, error)  # noqa: TRY400 - a refusal, no traceback
            outcome.parked.append((row.id, str(error)))
        except TimeoutError:
            outcome.failed.append((row.id, "no answer in time", _row_delay_s(row)))
            return False
        except Exception as error:  # an event is never lost to a bug in what sends it
            logger.exception("sending %s (%s) failed", row.event, row.event_id)
            outcome.failed.append((row.id, repr(error), _row_delay_s(row)))
            return False
        else:
            outcome.sent.append(row.id)
        return True

    async def _in_thread(self, function: Callable[..., T], *args: Any) -> T:
        # One thread of its own: database connections belong to threads, and calls stay in their order.
        if self._thread is None:
            self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ipc-relay")
        return await asyncio.get_running_loop().run_in_executor(self._thread, _with_connection, function, args)


def _with_connection(function: Callable[..., T], args: tuple[Any, ...]) -> T:
    try:
        return function(*args)
    except DatabaseError:
        connections.close_all()
        raise


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return


def _row_delay_s(row: OutboxEvent, error: IPCError | None = None) -> float:
    asked_ms = error.retry_after_ms if error is not None else None
    return max(_backoff_s(row.attempts, _ROW_PAUSE_S), min((asked_ms or 0) / 1000, _ROW_PAUSE_S))


def _backoff_s(attempts: int, most_s: float) -> float:
    return min(most_s, 0.1 * 2.0 ** min(attempts, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
