"""One log as a hub follows it: a cursor, the sessions that are live on it, and the way back when it falls behind.

Pushes over the channel layer are the fast path and may be lost, late or in another order. Each says which position
came before it, so the feed delivers a push that continues its cursor and reads the log for anything else.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from ipc.hub.counters import Counters
from ipc.hub.interest import Interest
from ipc.hub.loop_time import LoopTime
from ipc.hub.portions import FIRST_READ_COUNT, fitting
from ipc.hub.push import Push
from ipc.hub.session import Session
from ipc.hub.sight import Sight
from ipc.hub.stores import LogStore
from ipc.hub.tasks import OwnedTasks
from ipc.protocol.codec import utf8_size
from ipc.protocol.codes import CloseCode
from ipc.protocol.errors import IPCError, UnavailableError
from ipc.protocol.positions import position_key
from ipc.stores.eventlog import Entry, Gap

logger = logging.getLogger(__name__)

MAX_TEXT_BYTES = 256 * 1024


class Watcher(Protocol):
    """Who is told that a log has new events, to read them from there."""

    def wake(self, log: str) -> None:
        """Take note."""


FallBehind = Callable[["LogFeed", Session, Interest, str], None]


class LogFeed:
    """One followed log.

    Args:
        cursor: the position up to which everything has been delivered.
        loop_time: what filtering may take of the event loop.
        fall_behind: lets a session whose filters take long read the log from a position on, at its own pace.

    """

    def __init__(
        self,
        log: str,
        cursor: str,
        eventlog: LogStore,
        counters: Counters,
        tasks: OwnedTasks,
        *,
        loop_time: LoopTime,
        fall_behind: FallBehind,
    ) -> None:
        self.log = log
        self.cursor = cursor
        self.live: dict[Session, Interest] = {}
        self.watchers: dict[Watcher, None] = {}
        self._eventlog = eventlog
        self.counters = counters
        self._tasks = tasks
        self._loop_time = loop_time
        self._fall_behind = fall_behind
        self._known = cursor
        self._catch_up: asyncio.Task[None] | None = None

    @property
    def is_behind(self) -> bool:
        """Whether the log is known to have events after the cursor."""
        return self._catch_up is not None

    def offer(self, push: Push) -> None:
        """Deliver a push that continues the cursor, pass over one that repeats, read the log for one that does not."""
        if self._catch_up is None and push.prev == self.cursor and push.frames:
            self._deliver(push.positions, push.events, push.frames)
            return
        self.reached(push.positions[-1])

    def reached(self, position: str) -> None:
        """Take note that the log has come to a position, and catch up if the cursor has not."""
        if position == self._known or position_key(position) <= position_key(self._known):
            return
        self._known = position
        if self._catch_up is None:
            self.counters.gaps_found += 1
            self._catch_up = self._tasks.start(self._read_on(), f"catch up {self.log}")

    @property
    def lag_ms(self) -> int:
        """How far the cursor is behind what the log is known to have, in milliseconds of the log's own time."""
        if self._catch_up is None:
            return 0
        known_ms = position_key(self._known)[0]
        # A log that was empty when it was followed has no time to be behind of yet.
        return known_ms - (position_key(self.cursor)[0] or known_ms)

    async def gap_after(self, position: str) -> Gap | None:
        """Return why events after a position are missing from the log, or None when all of them are there.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        return None if position == self.cursor else await self._eventlog.gap_after(self.log, position)

    async def reach(self, position: str) -> None:
        """Wait until the cursor has come to a position that is known to be in the log.

        Raises:
            UnavailableError: it could not be read up to there.

        """
        self.reached(position)
        if self._catch_up is not None:
            await asyncio.wait([self._catch_up])
        if position_key(self.cursor) < position_key(position):
            raise UnavailableError(f"{self.log} could not be read up to {position}")

    async def replay(self, session: Session, interest: Interest, after: str) -> None:
        """Deliver to one session what the log has after a position, up to the cursor as it is at the end.

        Raises:
            UnavailableError: Redis is out of reach, or the log was trimmed meanwhile; what was delivered is a
                contiguous beginning.

        """
        count = FIRST_READ_COUNT
        while interest and position_key(after) < position_key(self.cursor):
            reading = await self._eventlog.read(self.log, after=after, until=self.cursor, count=count)
            if reading.gap is not None or not reading.entries:
                raise UnavailableError(f"{self.log} was trimmed past {after} before it was read")
            for entry in reading.entries:
                if interest.wants(entry.event) and await self._send_behind(session, interest, entry):
                    await session.outbox_room()
                if interest.behind is not None:
                    interest.behind = entry.position
            after = reading.entries[-1].position
            count = fitting(reading.entries)

    def _deliver(self, positions: Sequence[str], events: Sequence[str], frames: Sequence[str]) -> None:
        """Advance the cursor and give each live session what it wants, encoding each event once."""
        for watcher in self.watchers:
            watcher.wake(self.log)
        before, self.cursor = self.cursor, positions[-1]
        if self._catch_up is None:
            self._known = self.cursor
        if not self.live:
            return
        names = set(events)
        heard: set[str] = set()
        plain, filtered = [], []
        for session, interest in self.live.copy().items():
            if not (wanted := {name for name in names if interest.choices(name)}):
                continue
            heard |= wanted
            if interest.is_plain:
                plain.append((session, wanted))
            else:
                filtered.append((session, interest))
        if plain:
            self._deliver_plain(plain, positions, events, frames)
        if filtered:
            self._deliver_filtered(filtered, before, positions, events, frames)
        self.counters.named.delivery_took(
            positions
            if len(heard) == len(names)
            else [position for position, name in zip(positions, events, strict=True) if name in heard]
        )

    def _deliver_plain(
        self,
        sessions: Sequence[tuple[Session, set[str]]],
        positions: Sequence[str],
        events: Sequence[str],
        frames: Sequence[str],
    ) -> None:
        """Give each session the events of the names that it wants, as they are."""
        texts = [self._text(frame, position) for frame, position in zip(frames, positions, strict=True)]
        whole, rows = _joined(texts), self.counters.named.rows_of(frames)
        number_of_names = len(set(events))
        for session, wanted in sessions:
            if len(wanted) == number_of_names:
                session.put_all(whole)
                self.counters.events_delivered += len(texts)
                for row, number in rows:
                    row[session.service] += number
            else:
                part = [index for index, name in enumerate(events) if name in wanted]
                session.put_all(_joined([texts[index] for index in part]))
                self.counters.events_delivered += len(part)
                for row, number in self.counters.named.rows_of([frames[index] for index in part]):
                    row[session.service] += number

    def _deliver_filtered(
        self,
        sessions: Sequence[tuple[Session, Interest]],
        before: str,
        positions: Sequence[str],
        events: Sequence[str],
        frames: Sequence[str],
    ) -> None:
        """Give each session what its conditions choose, as it has asked for it; when that takes long they fall behind.

        One event after the other, so that what is made of an event is kept for no longer than that.
        """
        began, left_s = time.perf_counter(), self._loop_time.live_s
        for position, event, frame in zip(positions, events, frames, strict=True):
            sight = Sight(frame)
            for number, (session, interest) in enumerate(sessions):
                if not interest.wants(event):
                    continue
                if time.perf_counter() - began > left_s:
                    for index, (late, wants) in enumerate(sessions):
                        self._fall_behind(self, late, wants, position if index < number else before)
                    self._loop_time.use(time.perf_counter() - began)
                    return
                self._send(session, interest, event, sight, position)
            before = position
        self._loop_time.use(time.perf_counter() - began)

    async def _send_behind(self, session: Session, interest: Interest, entry: Entry) -> bool:
        """Do the same for an event that was read from the log, when filtering may take more of the event loop."""
        if interest.is_plain:
            return self._send(session, interest, entry.event, Sight(entry.frame), entry.position)
        await self._loop_time.room()
        began = time.perf_counter()
        try:
            return self._send(session, interest, entry.event, Sight(entry.frame), entry.position)
        finally:
            self._loop_time.use(time.perf_counter() - began)

    def _send(self, session: Session, interest: Interest, event: str, sight: Sight, position: str) -> bool:
        """Send an event that a pattern matches if a condition does too, and tell whether that was so."""
        frame = interest.frame_of(event, sight)
        if frame is None:
            self.counters.events_filtered += 1
            return False
        self.counters.named.handed(frame, session.service)
        sent = sight.sent.get(frame)
        if sent is None:
            text = self._text(frame, position)
            sent = sight.sent[frame] = text, utf8_size(text)
        session.put(*sent)
        self.counters.events_delivered += 1
        return True

    def _text(self, frame: str, position: str) -> str:
        return f'{frame},"log":"{self.log}","position":"{position}"}}'

    async def _read_on(self) -> None:
        count = FIRST_READ_COUNT
        try:
            while position_key(self.cursor) < position_key(self._known):
                reading = await self._eventlog.read(self.log, after=self.cursor, count=count)
                if reading.gap is not None or not reading.entries:
                    self._lost_track()
                    break
                self._deliver(
                    [entry.position for entry in reading.entries],
                    [entry.event for entry in reading.entries],
                    [entry.frame for entry in reading.entries],
                )
                count = fitting(reading.entries)
        except IPCError as error:
            # The next push, or the reconcile within a second, starts it again.
            self.counters.catch_ups_failed += 1
            logger.warning("catching up with %s failed: %s", self.log, error)
        finally:
            self._known = self.cursor
            self._catch_up = None

    def _lost_track(self) -> None:
        """Send the live sessions away, so that each finds out on its return that it cannot recover everything."""
        self.counters.logs_lost_track += 1
        logger.error("%s was trimmed between %s and %s before it was read", self.log, self.cursor, self._known)
        self.cursor = self._known
        for watcher in self.watchers:
            watcher.wake(self.log)
        for session in list(self.live):
            session.close(CloseCode.TOO_SLOW, "the log was trimmed before it was read; resume when ready")


def _joined(texts: Sequence[str]) -> list[tuple[str, int, int]]:
    """Join messages to pieces of a frame, each with its size in bytes and its count, once for all sessions."""
    whole = "\n".join(texts)
    size = utf8_size(whole)
    if size <= MAX_TEXT_BYTES:
        return [(whole, size, len(texts))]
    return [(text, utf8_size(text), 1) for text in texts]
