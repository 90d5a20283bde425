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
from ipc.protocol.messages import Ack, Event, Nack, Progress

logger = logging.getLogger(__name__)

MAX_REMEMBERED: Final = 10_000
MAX_EXCERPT: Final = 4_000


class Reject(Exception):  # noqa: N818 - read as what a handler does: raise Reject("why")
    """Raised by a group's handler for an event that no retry can help: it becomes a dead letter at once."""


class Answering(Protocol):
    """Where answers go."""

    def settle(self, answer: Ack | Nack | Progress, session: str) -> None:
        """Answer a delivery that came by a session."""


@dataclass(slots=True)
class Membership:
    """A handler in a group; with ``once``, an event that it has completed is not handled again in this process."""

    group: str
    handler: Handler
    once: bool = False
    done: "OrderedDict[str, None]" = field(default_factory=OrderedDict)


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

    def take(self, event: Event, session: str, link: Answering) -> None:
        """Handle a delivery; the hub hands out no more than the credit at a time."""
        membership = self._memberships.get(event.group or "")
        if membership is None or event.delivery is None:
            return
        task = self._tasks.start(self._handle(membership, event, event.delivery, session, link), membership.group)
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

    async def _handle(self, membership: Membership, event: Event, delivery: str, session: str, link: Answering) -> None:
        context = dataclasses.replace(
            EventContext.of(event), extend=lambda: link.settle(Progress(deliveries=[delivery]), session)
        )
        if membership.once and event.id in membership.done:
            link.settle(Ack(deliveries=[delivery]), session)
            return
        try:
            await membership.handler(msgspec.json.decode(event.data), context)
        except asyncio.CancelledError:
            link.settle(Nack(deliveries=[delivery], reason="its worker is stopping", retry_in_ms=0), session)
            raise
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is answered for
            link.settle(_nack(delivery, error), session)
            self._on_error(error, context)
            return
        if membership.once:
            membership.done[event.id] = None
            if len(membership.done) > MAX_REMEMBERED:
                membership.done.popitem(last=False)
        link.settle(Ack(deliveries=[delivery]), session)


def _nack(delivery: str, error: Exception) -> Nack:
    excerpt = "".join(traceback.format_exception(error))[-MAX_EXCERPT:]
    reason = f"{type(error).__name__}: {error}"
    return Nack(deliveries=[delivery], reason=reason, reject=isinstance(error, Reject), traceback=excerpt)
