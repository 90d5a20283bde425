"""One durable group on one hub: it takes events from the logs, hands them to members and tries again what failed.

All that the group does in Redis happens in one task, one thing after the other, so acknowledgements, retries and new
events cannot overtake each other. What a member answers only changes plain values and wakes the task.
"""

import asyncio
import heapq
import itertools
import logging
import random
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from ipc.hub.clock import Clock
from ipc.hub.counters import Counters
from ipc.hub.interest import Interest
from ipc.hub.session import Session
from ipc.hub.stores import DeadLetterStore, GroupStore
from ipc.protocol.codec import utf8_size
from ipc.protocol.errors import IPCError
from ipc.protocol.positions import position_key
from ipc.protocol.retry import RetryPolicy
from ipc.protocol.routing import logs_of_group
from ipc.stores.dead_letters import DeadLetter
from ipc.stores.eventlog import Entry
from ipc.stores.groups import GroupMissingError

logger = logging.getLogger(__name__)

TEND_S: Final = 5.0
MAX_WAITING: Final = 1_000
ORPHAN_IDLE_MS: Final = 1_000
_ids = itertools.count(1)


@dataclass(slots=True, eq=False)
class Delivery:
    """An event that the hub is responsible for: in a member's hands, waiting for one, or for its next attempt."""

    group: "GroupMembers"
    log: str
    entry: Entry
    attempt: int
    first_ms: int
    id: str = field(default_factory=lambda: str(next(_ids)))
    session: Session | None = None
    deadline: float = 0.0
    error: str = ""
    traceback: str = ""


@dataclass(slots=True)
class Member:
    """A session's place in the group."""

    credit: int
    held: set[Delivery] = field(default_factory=set)

    @property
    def free(self) -> int:
        """How many more deliveries it takes."""
        return self.credit - len(self.held)


class GroupMembers:
    """The members of a group at this hub, and what the group does for them.

    Args:
        service: full name.
        name: of the group.
        deliveries: those in members' hands, by id; shared by all groups of the hub.

    """

    def __init__(
        self,
        service: str,
        name: str,
        *,
        hub_id: str,
        groups: GroupStore,
        dead_letters: DeadLetterStore,
        clock: Clock,
        counters: Counters,
        deliveries: dict[str, Delivery],
    ) -> None:
        self.service = service
        self.name = name
        self.policy = RetryPolicy()
        self.interest = Interest()
        self.members: dict[Session, Member] = {}
        self._logs = logs_of_group(service, name)
        self._redis_name = f"{service}/{name}"
        self._hub_id = hub_id
        self._groups = groups
        self._dead_letters = dead_letters
        self._clock = clock
        self._counters = counters
        self._deliveries = deliveries
        self._woken = asyncio.Event()
        self._dirty: set[str] = set()
        self._acks: dict[str, list[str]] = {}
        self._ready: deque[Delivery] = deque()
        self._retries: list[tuple[float, int, Delivery]] = []
        self._dead: deque[Delivery] = deque()
        self._order = itertools.count()
        self._is_serving = False
        self._next_tend = 0.0

    # What sessions do

    def join(self, session: Session, credit: int, patterns: Iterable[str], policy: RetryPolicy) -> None:
        """Make a session a member, or change its credit; the patterns and the policy hold for the whole group."""
        member = self.members.setdefault(session, Member(credit))
        member.credit = credit
        self.interest = Interest()
        self.interest.add(patterns)
        self.policy = policy
        self._dirty.update(self._logs)
        self._woken.set()

    def retire(self, session: Session) -> None:
        """Hand nothing more to a session; it is a member until it has answered for what it holds."""
        member = self.members.get(session)
        if member is not None:
            member.credit = 0
            if not member.held:
                self.leave(session)

    def leave(self, session: Session) -> None:
        """Take a session out; what it holds goes to another member as its next attempt."""
        member = self.members.pop(session, None)
        for delivery in member.held if member is not None else ():
            self._deliveries.pop(delivery.id, None)
            delivery.error = delivery.error or "its member left before it had acknowledged"
            self._again(delivery, 0)
        self._woken.set()

    def acknowledge(self, delivery: Delivery) -> None:
        """Take note that a delivery is done."""
        self._release(delivery)
        self._ack(delivery.log, delivery.entry.position)
        self._counters.deliveries_acked += 1
        self._woken.set()

    def fail(self, delivery: Delivery, error: str, traceback: str, *, retry_in_ms: int | None, is_final: bool) -> None:
        """Take note that a delivery failed: it is tried again after a pause, or given up."""
        self._release(delivery)
        delivery.error, delivery.traceback = error, traceback
        self._counters.deliveries_failed += 1
        if is_final or delivery.attempt >= self.policy.max_attempts:
            self._dead.append(delivery)
        else:
            pause_ms = self.policy.delay_ms(delivery.attempt, random.random()) if retry_in_ms is None else retry_in_ms  # noqa: S311 - spreads load, no secret
            self._again(delivery, pause_ms / 1000)
        self._woken.set()

    def extend(self, delivery: Delivery) -> None:
        """Give a delivery its full time again."""
        delivery.deadline = self._clock.monotonic() + self.policy.ack_ms / 1000

    def wake(self, log: str) -> None:
        """Say that a log has new events."""
        self._dirty.add(log)
        self._woken.set()

    # The task

    async def run(self) -> None:
        """Serve the members until cancelled."""
        while True:
            self._woken.clear()
            try:
                if self.members:
                    await self._serve()
                elif self._is_serving:
                    await self._stop_serving()
            except GroupMissingError as error:
                logger.error("%s: %s; it begins again with all that its logs have", self._redis_name, error)  # noqa: TRY400 - foreseen
                self._counters.groups_recreated += 1
                await self._recreate()
            except IPCError as error:
                self._counters.group_steps_failed += 1
                logger.warning("%s waits: %s", self._redis_name, error)
                await asyncio.sleep(TEND_S / 5)
                continue
            await self._pause()

    async def close(self) -> None:
        """Write the acknowledgements that were taken, and leave the rest to other hubs."""
        self.members.clear()
        await self._stop_serving()

    async def _serve(self) -> None:
        if self._clock.monotonic() >= self._next_tend:
            await self._tend()
        self._expire()
        await self._bury()
        await self._claim_due()
        while self._acks or (self._dirty and self._free() > 0):
            await self._exchange()

    async def _exchange(self) -> None:
        free = self._free()
        logs = [log for log in self._logs if log in self._dirty] if free > 0 else []
        self._dirty.difference_update(logs)
        acks, self._acks = self._acks, {}
        try:
            taken = await self._groups.exchange(self._redis_name, self._hub_id, acks=acks, logs=logs, count=free)
        except BaseException:
            for log, positions in acks.items():
                self._acks.setdefault(log, []).extend(positions)
            self._dirty.update(logs)
            raise
        now_ms = time.time_ns() // 1_000_000
        for log, entry in taken:
            self._dirty.add(log)
            if self.interest.wants(entry.event):
                self._hand_out(Delivery(self, log, entry, 1, now_ms))
            else:
                self._ack(log, entry.position)

    async def _tend(self) -> None:
        """Say that this hub serves the group, and take over what hubs that do not any more have left pending."""
        serving = await self._groups.serving(self.service, self.name, self._hub_id)
        orphaned = serving if self._is_serving else serving - {self._hub_id}
        for log in self._logs:
            for consumer, pending in (await self._groups.consumers(log, self._redis_name)).items():
                if consumer in orphaned:
                    continue
                if pending:
                    await self._adopt(log, consumer)
                elif consumer != self._hub_id:
                    await self._groups.remove_consumer(log, self._redis_name, consumer)
        self._is_serving = True
        self._dirty.update(self._logs)
        self._next_tend = self._clock.monotonic() + TEND_S

    async def _adopt(self, log: str, consumer: str) -> None:
        room = MAX_WAITING - len(self._ready) - len(self._retries)
        orphans = await self._groups.pending(log, self._redis_name, consumer, count=max(1, room))
        attempts = {orphan.position: orphan.attempts for orphan in orphans}
        if not attempts:
            return
        min_idle_ms = 0 if consumer == self._hub_id else ORPHAN_IDLE_MS
        claimed = await self._groups.claim(log, self._redis_name, self._hub_id, list(attempts), min_idle_ms=min_idle_ms)
        self._counters.deliveries_adopted += len(claimed)
        for entry in claimed:
            delivery = Delivery(self, log, entry, attempts[entry.position] + 1, position_key(entry.position)[0])
            delivery.error = "its hub went away before it was acknowledged"
            if delivery.attempt > self.policy.max_attempts:
                delivery.attempt -= 1
                self._dead.append(delivery)
            else:
                self._hand_out(delivery)

    async def _claim_due(self) -> None:
        """Deliver again what has waited long enough, which Redis counts."""
        now, room = self._clock.monotonic(), self._free()
        due: dict[str, dict[str, Delivery]] = {}
        while self._retries and self._retries[0][0] <= now and room > 0:
            delivery = heapq.heappop(self._retries)[2]
            due.setdefault(delivery.log, {})[delivery.entry.position] = delivery
            room -= 1
        for log, deliveries in due.items():
            try:
                claimed = await self._groups.claim(log, self._redis_name, self._hub_id, list(deliveries))
            except BaseException:
                for delivery in deliveries.values():
                    self._again(delivery, 0)
                raise
            for entry in claimed:
                delivery = deliveries.pop(entry.position)
                self._hand_out(
                    Delivery(self, log, entry, delivery.attempt + 1, delivery.first_ms, error=delivery.error)
                )
            if deliveries:
                self._counters.deliveries_trimmed += len(deliveries)
                logger.error(
                    "%s lost %d events that were trimmed before their retry", self._redis_name, len(deliveries)
                )

    async def _bury(self) -> None:
        while self._dead:
            delivery = self._dead[0]
            session = delivery.session
            await self._dead_letters.bury(
                self.service,
                self.name,
                DeadLetter(
                    log=delivery.log,
                    position=delivery.entry.position,
                    event=delivery.entry.event,
                    frame=delivery.entry.frame,
                    error=delivery.error,
                    traceback=delivery.traceback,
                    attempts=delivery.attempt,
                    first_ms=delivery.first_ms,
                    last_ms=time.time_ns() // 1_000_000,
                    instance=session.instance if session is not None else "",
                ),
            )
            self._dead.popleft()
            self._counters.deliveries_dead += 1
            logger.error(
                "%s gave up %s at %s: %s",
                self._redis_name,
                delivery.entry.event,
                delivery.entry.position,
                delivery.error,
            )

    async def _recreate(self) -> None:
        for log in self._logs:
            await self._groups.create(log, self._redis_name, after="0")
        self._dirty.update(self._logs)

    async def _stop_serving(self) -> None:
        if self._acks:
            await self._groups.exchange(self._redis_name, self._hub_id, acks=self._acks, logs=[], count=1)
            self._acks = {}
        self._ready.clear()
        self._retries.clear()
        self._is_serving = False
        self._next_tend = 0.0
        await self._groups.stop_serving(self.service, self.name, self._hub_id)

    async def _pause(self) -> None:
        """Wait until woken, or until the next retry, deadline or round of tending is due."""
        if self._woken.is_set():
            return
        due = [self._next_tend] if self.members else []
        if self._retries and self._free() > 0:
            due.append(self._retries[0][0])
        due += [delivery.deadline for member in self.members.values() for delivery in member.held]
        await self._clock.wait(self._woken, min(due) if due else None)

    # Handing out

    def _free(self) -> int:
        if len(self._retries) >= MAX_WAITING:
            return 0
        return sum(max(0, member.free) for member in self.members.values()) - len(self._ready)

    def _hand_out(self, delivery: Delivery) -> None:
        session, member = max(self.members.items(), key=lambda item: item[1].free, default=(None, None))
        if session is None or member is None or member.free <= 0:
            self._ready.append(delivery)
            return
        member.held.add(delivery)
        delivery.session = session
        delivery.deadline = self._clock.monotonic() + self.policy.ack_ms / 1000
        self._deliveries[delivery.id] = delivery
        self._counters.deliveries_sent += 1
        text = (
            f'{delivery.entry.frame},"log":"{delivery.log}","position":"{delivery.entry.position}",'
            f'"group":"{self.name}","delivery":"{delivery.id}","attempt":{delivery.attempt}}}'
        )
        session.put(text, utf8_size(text))

    def _release(self, delivery: Delivery) -> None:
        self._deliveries.pop(delivery.id, None)
        if delivery.session is not None and (member := self.members.get(delivery.session)) is not None:
            member.held.discard(delivery)
            if member.credit == 0 and not member.held:
                self.leave(delivery.session)
        if self._ready and any(member.free > 0 for member in self.members.values()):
            self._hand_out(self._ready.popleft())

    def _again(self, delivery: Delivery, pause_s: float) -> None:
        heapq.heappush(self._retries, (self._clock.monotonic() + pause_s, next(self._order), delivery))

    def _expire(self) -> None:
        now = self._clock.monotonic()
        late = [delivery for member in self.members.values() for delivery in member.held if delivery.deadline <= now]
        for delivery in late:
            self._counters.deliveries_timed_out += 1
            self.fail(
                delivery, f"not acknowledged within {self.policy.ack_ms} ms", "", retry_in_ms=None, is_final=False
            )

    def _ack(self, log: str, position: str) -> None:
        self._acks.setdefault(log, []).append(position)
