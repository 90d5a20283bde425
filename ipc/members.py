"""A worker's membership in durable groups: each delivery is handled in a task of its own and answered for."""

import asyncio
import dataclasses
import logging
import traceback
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from ipc.dispatch import EventContext, Handler
from ipc.hub.tasks import OwnedTasks
from ipc.protocol.codec import sendable
from ipc.protocol.marks import once_key
from ipc.protocol.messages import Ack, Event, Nack, Progress
from ipc.tracing.steps import handling

logger = logging.getLogger(__name__)

MAX_REMEMBERED: Final = 10_000
MAX_EXCERPT: Final = 4_000
MAX_REASON: Final = 1_000

Answer = Ack | Nack | Progress


class Reject(Exception):  # noqa: N818 - read as what a handler does: raise Reject("why")
    """Raised by a group's handler for an event that no retry can help: it becomes a dead letter at once."""


class Answering(Protocol):
    """Where answers go."""

    def settle(self, answer: Answer, session: str) -> None:
        """Answer a delivery that came by a session."""


@dataclass(slots=True)
class _Turns:
    """Deliveries of one event, which take turns."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0


@dataclass(slots=True)
class Membership:
    """A handler in a group; with ``once``, an event that it has completed is not handled again.

    The hub remembers what the group has completed. What is remembered here covers the acknowledgements that did not
    reach it.
    """

    group: str
    handler: Handler
    once: bool = False
    is_forgotten: bool = False
    done: "OrderedDict[str, None]" = field(default_factory=OrderedDict)
    at_work: "dict[str, _Turns]" = field(default_factory=dict)

    def anew(self) -> "Membership":
        """Return the same with nothing remembered, for a worker that starts, perhaps in another mesh than before."""
        return Membership(self.group, self.handler, once=self.once)


class Members:
    """The memberships of one worker.

    Args:
        on_error: told of every exception a handler raises.

    """

    def __init__(self, on_error: Callable[[Exception, EventContext], None]) -> None:
        self._on_error = on_error
        self._memberships: dict[str, Membership] = {}
        self._tasks = OwnedTasks("group handlers")
        self._running: set[asyncio.Task[None]] = set()

    def add(self, membership: Membership) -> None:
        """Add a handler."""
        self._memberships[membership.group] = membership

    def forget(self, group: str) -> None:
        """Drop the handler of a group that is gone: what it is at work on is finished, and not answered for."""
        if (membership := self._memberships.pop(group, None)) is not None:
            membership.is_forgotten = True

    def take(self, event: Event, session: str, link: Answering) -> None:
        """Handle a delivery; the hub hands out no more than the credit at a time."""
        membership = self._memberships.get(event.group or "")
        if membership is None or event.delivery is None:
            return

        def settle(answer: Answer) -> None:
            if not membership.is_forgotten:
                link.settle(answer, session)

        handled = self._handle(membership, event, event.delivery, session, settle)
        task = self._tasks.start(handled, membership.group)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    @property
    def running(self) -> "frozenset[asyncio.Task[None]]":
        """The deliveries that are being handled."""
        return self._tasks.running

    async def finish(self, *, timeout_s: float) -> None:
        """Wait until what was delivered is handled; what takes longer is cancelled, and goes to another member."""
        if self._running:
            await asyncio.wait(self._running, timeout=timeout_s)
        await self._tasks.close()

    async def _handle(
        self, membership: Membership, event: Event, delivery: str, session: str, settle: Callable[[Answer], None]
    ) -> None:
        context = dataclasses.replace(EventContext.of(event), extend=lambda: settle(Progress(deliveries=[delivery])))
        with handling(event, session) as step:
            try:
                await self._carry_out(membership, event, context)
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    # No answer: the connection is about to be closed, and the hub then gives it to another member.
                    raise
                # Nobody cancelled this: the handler let the end of a task of its own out, which is its failure.
                failure = RuntimeError(f"{membership.handler!r} let a CancelledError out: {error}")
                step.failed(failure)
                settle(_nack(delivery, failure))
                self._on_error(failure, context)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises is answered for
                step.failed(error)
                settle(_nack(delivery, error))
                self._on_error(error, context)
            else:
                settle(Ack(deliveries=[delivery]))

    async def _carry_out(self, membership: Membership, event: Event, context: EventContext) -> None:
        if membership.once:
            await self._once(membership, event, context)
        else:
            await membership.handler(msgspec.json.decode(event.data), context)

    async def _once(self, membership: Membership, event: Event, context: EventContext) -> None:
        """Handle an event unless it was completed here, though its acknowledgement may not have arrived.

        Another delivery of the same event may be at work, on behalf of a connection that was lost: then wait for it.
        """
        key = once_key(event.source, event.id, event.replay)
        lock = membership.at_work.setdefault(key, _Turns())
        lock.wanted += 1
        try:
            async with lock.turn:
                if key not in membership.done:
                    await membership.handler(msgspec.json.decode(event.data), context)
                    membership.done[key] = None
                    if len(membership.done) > MAX_REMEMBERED:
                        membership.done.popitem(last=False)
        finally:
            lock.wanted -= 1
            if not lock.wanted:
                del membership.at_work[key]


def _nack(delivery: str, error: Exception) -> Nack:
    excerpt = sendable("".join(traceback.format_exception(error))[-MAX_EXCERPT:])
    reason = sendable(f"{type(error).__name__}: {error}"[:MAX_REASON])
    return Nack(deliveries=[delivery], reason=reason, reject=isinstance(error, Reject), traceback=excerpt)
