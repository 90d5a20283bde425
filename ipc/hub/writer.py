"""Appending events to a log, batch by batch, and telling the rest of the mesh."""

import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from ipc.hub.batching import Batcher
from ipc.hub.counters import Counters
from ipc.hub.push import Push
from ipc.hub.stores import LogStore
from ipc.protocol.codec import utf8_size
from ipc.protocol.errors import IPCError
from ipc.stores.eventlog import NewEvent

logger = logging.getLogger(__name__)

MAX_WAITING_BYTES = 16 * 1024 * 1024
MAX_BATCH_EVENTS = 512
MAX_BATCH_BYTES = 1024 * 1024
MAX_PUSH_BYTES = 256 * 1024
EVENT_OVERHEAD_BYTES = 128


class Receipt(Protocol):
    """Who is told what became of an event."""

    def accepted(self, log: str, position: str, *, is_repeat: bool) -> None:
        """Take note: the event is in the log at this position, for a repeat that of the first time."""

    def refused(self, log: str, error: IPCError) -> None:
        """Take note: the event could not be appended."""


class Emission(msgspec.Struct):
    """An event on its way into one log, from a service."""

    event: NewEvent
    receipt: Receipt | None
    source: str


class LogWriter:
    """The way into one log.

    Args:
        deliver: takes what was appended to the sessions of this hub, before anything else happens.
        publish: sends it to the other hubs; what it raises is counted, since they find it in the log.

    """

    def __init__(
        self,
        log: str,
        eventlog: LogStore,
        counters: Counters,
        *,
        deliver: Callable[[Push], None],
        publish: Callable[[Push], Awaitable[None]],
    ) -> None:
        self._log = log
        self._eventlog = eventlog
        self._counters = counters
        self._deliver = deliver
        self._publish = publish
        self._appends = Batcher(
            self._append,
            capacity=MAX_WAITING_BYTES,
            max_items=MAX_BATCH_EVENTS,
            max_size=MAX_BATCH_BYTES,
            name=f"append {log}",
        )
        self._pushes = Batcher(
            self._push, capacity=MAX_WAITING_BYTES, max_items=64, max_size=MAX_PUSH_BYTES, name=f"push {log}"
        )

    @property
    def is_full(self) -> bool:
        """Whether so much waits that no session should send more to this log."""
        return self._appends.is_full

    def put(self, emission: Emission) -> None:
        """Take an event to be appended."""
        self._appends.put(emission, utf8_size(emission.event.frame) + EVENT_OVERHEAD_BYTES)

    async def room(self) -> None:
        """Wait until the writer can take more."""
        await self._appends.room()

    async def flushed(self) -> None:
        """Wait until everything that was put is appended and published."""
        await self._appends.flushed()
        await self._pushes.flushed()

    async def close(self) -> None:
        """Stop at once."""
        await self._appends.close()
        await self._pushes.close()

    async def _append(self, batch: list[Emission]) -> None:
        try:
            appended = await self._eventlog.append(self._log, [emission.event for emission in batch])
        except IPCError as error:
            self._counters.appends_failed += len(batch)
            logger.warning("%d events could not be appended: %s", len(batch), error)
            for emission in batch:
                if emission.receipt is not None:
                    emission.receipt.refused(self._log, error)
            return
        fresh = [index for index in range(len(batch)) if index not in appended.repeated]
        self._counters.events_appended += len(fresh)
        self._counters.named.appended([(batch[index].source, batch[index].event.event) for index in fresh])
        self._counters.events_repeated += len(appended.repeated)
        if fresh:
            push = Push(
                self._log,
                appended.prev,
                [appended.positions[index] for index in fresh],
                [batch[index].event.event for index in fresh],
                [batch[index].event.frame for index in fresh],
            )
            self._deliver(push)
            self._pushes.put(push, sum(map(utf8_size, push.frames)))
        for index, (emission, position) in enumerate(zip(batch, appended.positions, strict=True)):
            if emission.receipt is not None:
                emission.receipt.accepted(self._log, position, is_repeat=index in appended.repeated)

    async def _push(self, pushes: list[Push]) -> None:
        for push in _joined(pushes):
            if sum(map(utf8_size, push.frames)) > MAX_PUSH_BYTES:
                push.frames = []
            try:
                await self._publish(push)
            except IPCError as error:
                self._counters.pushes_failed += 1
                logger.warning("a push of %s was lost, its readers find it in the log: %s", self._log, error)


def _joined(pushes: list[Push]) -> list[Push]:
    """Make one push of those that continue each other."""
    joined = [pushes[0]]
    for push in pushes[1:]:
        before = joined[-1]
        if push.prev == before.positions[-1]:
            joined[-1] = Push(
                before.log,
                before.prev,
                before.positions + push.positions,
                before.events + push.events,
                before.frames + push.frames,
            )
        else:
            joined.append(push)
    return joined
