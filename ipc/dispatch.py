"""From events to handlers: each handler has a lane of its own and gets its events one at a time, in order."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from ipc.hub.tasks import OwnedTasks
from ipc.hub.terms import PLAIN, Terms
from ipc.protocol.messages import Event
from ipc.protocol.patterns import compile_pattern
from ipc.subscriptions import chosen
from ipc.tracing.steps import handling

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventContext:
    """All that came with an event besides its data; ``timestamp`` is when the hub took it, in Unix milliseconds."""

    event: str
    source: str
    target: str | list[str]
    id: str
    log: str
    position: str
    timestamp: int
    meta: Any
    traceparent: str | None
    group: str | None = None
    attempt: int = 1
    select_error: str | None = None
    """The code of why the data is whole, although something of it was selected."""
    replay: str | None = None
    """The replay by which it comes again, where an operator has asked for one."""
    edited: str | None = None
    """The operator who has changed the data of a dead letter before it came again."""
    extend: Callable[[], None] | None = None

    def progress(self) -> None:
        """Say that work on this delivery goes on, which gives it its full time again; no group, no effect."""
        if self.extend is not None:
            self.extend()

    @classmethod
    def of(cls, event: Event) -> "EventContext":
        """Return the context of an event."""
        return cls(
            event=event.event,
            source=event.source,
            target=event.target,
            id=event.id,
            log=event.log,
            position=event.position,
            timestamp=event.ts,
            meta=event.meta,
            traceparent=event.traceparent,
            group=event.group,
            attempt=event.attempt or 1,
            select_error=event.select_error.code if event.select_error is not None else None,
            replay=event.replay.id if event.replay is not None else None,
            edited=event.edited,
        )

    @property
    def age_ms(self) -> int:
        """Milliseconds since the hub took the event, by this machine's clock."""
        return time.time_ns() // 1_000_000 - self.timestamp


Handler = Callable[[Any, EventContext], Awaitable[None]]


class Lane:
    """One handler with the patterns it was registered for and the events that wait for it.

    Args:
        patterns: what it was registered for.
        handler: the function.
        terms: how it filters what has come whole.

    """

    def __init__(self, patterns: Sequence[str], handler: Handler, terms: Terms = PLAIN) -> None:
        self.handler = handler
        self.terms = terms
        self.waiting: deque[Event] = deque()
        self.is_running = False
        self._matchers = [compile_pattern(pattern) for pattern in patterns]

    def wants(self, event: str) -> bool:
        """Tell whether one of the patterns matches."""
        return any(matches(event) for matches in self._matchers)


class Dispatcher:
    """The lanes of one worker.

    Args:
        on_error: told of every exception a handler raises; the lane goes on with the next event.
        capacity: events that may wait in all lanes together.

    """

    def __init__(self, on_error: Callable[[Exception, EventContext], None], *, capacity: int = 1_000) -> None:
        self.session: str | None = None
        """The one that events come by now."""
        self._on_error = on_error
        self._capacity = capacity
        self._lanes: list[Lane] = []
        self._waiting = 0
        self._has_room = asyncio.Event()
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._tasks = OwnedTasks("dispatcher")

    def add(self, lane: Lane) -> None:
        """Add a handler's lane."""
        self._lanes.append(lane)

    def take(self, event: Event) -> bool:
        """Put an event into the lanes that want it; False when too much waits already, and nothing was taken."""
        if self._waiting >= self._capacity:
            self._has_room.clear()
            return False
        for lane in self._lanes:
            if lane.wants(event.event) and (wanted := chosen(event, lane.terms)) is not None:
                lane.waiting.append(wanted)
                self._waiting += 1
                self._is_idle.clear()
                if not lane.is_running:
                    lane.is_running = True
                    self._tasks.start(self._run(lane), getattr(lane.handler, "__name__", "handler"))
        return True

    async def room(self) -> None:
        """Wait until half of the capacity is free."""
        await self._has_room.wait()

    @property
    def running(self) -> "frozenset[asyncio.Task[None]]":
        """The lanes that have events to handle."""
        return self._tasks.running

    async def finish(self, *, timeout_s: float) -> int:
        """Wait until all that was taken is handled, and return how many events had to be given up."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._is_idle.wait()
        except TimeoutError:
            logger.warning("%d events were not handled in time", self._waiting)
        await self._tasks.close()
        return self._waiting

    async def _run(self, lane: Lane) -> None:
        try:
            while lane.waiting:
                event = lane.waiting[0]
                await self._handle(lane.handler, event)
                lane.waiting.popleft()
                self._waiting -= 1
                if self._waiting <= self._capacity // 2:
                    self._has_room.set()
        finally:
            lane.is_running = False
            if self._waiting == 0:
                self._is_idle.set()

    async def _handle(self, handler: Handler, event: Event) -> None:
        context = EventContext.of(event)
        with handling(event, self.session) as step:
            try:
                # Decoded for each handler, so that none sees what another has changed.
                await handler(msgspec.json.decode(event.data), context)
            except asyncio.CancelledError as error:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    raise
                # Nobody cancelled the lane: the handler let the end of a task of its own out, which is its failure.
                step.failed(error)
                self._on_error(RuntimeError(f"{handler!r} let a CancelledError out: {error}"), context)
            except Exception as error:  # noqa: BLE001 - whatever a handler raises, the worker goes on
                step.failed(error)
                self._on_error(error, context)
