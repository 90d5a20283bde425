"""The members of a durable group at one hub: who holds what, what waits for a member, and what comes again when.

Plain values only, changed by what members say; what they mean for Redis is done by `GroupTask`.
"""

import asyncio
import heapq
import logging
import random
from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from typing import Final

from ipc.hub.clock import Clock
from ipc.hub.counters import Counters
from ipc.hub.delivery import MAX_UNANSWERED, Delivery, Member
from ipc.hub.group_rights import may_hear
from ipc.hub.interest import Interest
from ipc.hub.notes import Notes
from ipc.hub.schedule import Deadlines, Retries
from ipc.hub.session import Session
from ipc.hub.sight import Sight
from ipc.hub.terms import PLAIN, Terms
from ipc.protocol.codec import utf8_size
from ipc.protocol.retry import RetryPolicy
from ipc.protocol.routing import is_own_log, logs_of_group
from ipc.stores.eventlog import Entry

logger = logging.getLogger(__name__)

MAX_LOSSES: Final = 5
"""How often an event may be lost with a member or a hub beyond the attempts of the policy: that is no verdict on it."""


class GroupMembers:
    """The members of a group at this hub.

    Args:
        service: full name.
        name: of the group.
        clock: the time that deadlines and pauses go by.
        deliveries: those in members' hands, by id; shared by all groups of the hub.

    """

    def __init__(
        self, service: str, name: str, *, clock: Clock, counters: Counters, deliveries: dict[str, Delivery]
    ) -> None:
        self.service = service
        self.name = name
        self.logs = logs_of_group(service, name)
        self.policy = RetryPolicy()
        self.once = False
        self.terms = PLAIN
        self.interest = Interest()
        self.members: dict[Session, Member] = {}
        self.woken = asyncio.Event()
        # Logs that may have new events, the one to be read next first.
        self.dirty: dict[str, None] = {}
        # Where everything is that is pending at this hub, until Redis has taken its acknowledgement.
        self.known: set[Hashable] = set()
        self.acks: dict[str, list[str]] = {}
        self.handled: list[str] = []
        self.ready: deque[Delivery] = deque()
        self.retries = Retries()
        self.dead: deque[Delivery] = deque()
        self.deadlines = Deadlines()
        self.notes = Notes(clock)
        self._clock = clock
        self._counters = counters
        self._deliveries = deliveries

    # What sessions do

    def join(
        self,
        session: Session,
        credit: int,
        patterns: Iterable[str],
        policy: RetryPolicy,
        *,
        once: bool = False,
        terms: Terms = PLAIN,
    ) -> None:
        """Make a session a member, or change its credit; all else holds for the whole group."""
        self.members.setdefault(session, Member(session, credit)).credit = credit
        self.interest = Interest()
        self.interest.add(patterns)
        self.once = once
        self.terms = terms
        if policy != self.policy:
            self.policy = policy
            self.deadlines.begin_all(self._deadline())
        self.look_everywhere()

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
            self.deadlines.stop(delivery)
            delivery.error = f"its member {session.farewell} before it had acknowledged"
            self._counters.deliveries_shut_out += session.is_shut_out
            delivery.traceback = ""
            if delivery.attempt >= self.policy.max_attempts + MAX_LOSSES:
                self.dead.append(delivery)
            else:
                self.retries.add(delivery, self._clock.monotonic())
                self.notes.failed(delivery, 0)
        self.woken.set()

    def acknowledge(self, delivery: Delivery) -> None:
        """Take note that a delivery is done."""
        self._answered(delivery)
        self._release(delivery)
        self.ack(delivery.log, delivery.entry.position)
        self.notes.acked.append(delivery)
        if self.once:
            self.handled.append(delivery.key)
        self._counters.deliveries_acked += 1

    def fail(self, delivery: Delivery, error: str, traceback: str, *, retry_in_ms: int | None, is_final: bool) -> None:
        """Take note that a member could not do a delivery: it is tried again after a pause, or given up."""
        self._answered(delivery)
        self._fail(delivery, error, traceback, retry_in_ms=retry_in_ms, is_final=is_final)

    def _fail(
        self,
        delivery: Delivery,
        error: str,
        traceback: str = "",
        *,
        retry_in_ms: int | None = None,
        is_final: bool = False,
    ) -> None:
        self._release(delivery)
        delivery.error, delivery.traceback = error, traceback
        self._counters.deliveries_failed += 1
        if is_final or delivery.attempt >= self.policy.max_attempts:
            self.dead.append(delivery)
            return
        pause_ms = self.policy.delay_ms(delivery.attempt, random.random()) if retry_in_ms is None else retry_in_ms  # noqa: S311 - spreads load, no secret
        self.retries.add(delivery, self._clock.monotonic() + pause_ms / 1000)
        self.notes.failed(delivery, pause_ms)

    def extend(self, delivery: Delivery) -> None:
        """Give a delivery its full time again."""
        self.deadlines.begin(delivery, self._deadline())

    # What the logs and the task do

    def wake(self, log: str) -> None:
        """Say that a log has new events; a group that knows, and has no credit for them, is not woken again."""
        if log not in self.dirty:
            self.dirty[log] = None
            self.woken.set()

    def look_everywhere(self) -> None:
        """Look for new events in all logs."""
        self.dirty.update(dict.fromkeys(self.logs))
        self.woken.set()

    def wants(self, log: str, entry: Entry) -> bool:
        """Tell whether an event is for this group: what is in its own log is, whatever it is."""
        return bool(entry.frame) and (
            is_own_log(log)
            or (
                self.interest.wants(entry.event)
                and (self.terms.where is None or Sight(entry.frame).is_wanted(self.terms))
            )
        )

    @property
    def free(self) -> int:
        """How many more events could be handed out."""
        return max(0, sum(member.free for member in self.members.values()) - len(self.ready))

    @property
    def is_stuck(self) -> bool:
        """Whether there are members here, and none of them answers."""
        return bool(self.members) and all(member.is_stuck for member in self.members.values())

    def ack(self, log: str, position: str) -> None:
        """Have a position acknowledged with the next exchange."""
        self.acks.setdefault(log, []).append(position)
        self.woken.set()

    def expire(self) -> None:
        """Fail what has not been answered in time."""
        for delivery in self.deadlines.over(self._clock.monotonic()):
            self._counters.deliveries_timed_out += 1
            self._missed(delivery)
            self._fail(delivery, f"not acknowledged within {self.policy.ack_ms} ms")

    def hand_out(self) -> None:
        """Hand out what is ready, as far as members take it: each to the one that has most credit left and may hear it.

        One that was not answered in time goes to another member, if any has credit left.
        """
        self._pass_over_unheard()
        while self.ready and (takers := self._takers(self.ready[0])):
            kind = self.ready[0].kind
            while takers and self.ready and self.ready[0].kind == kind:
                taken, number, member = takers[0]
                self._give(self.ready.popleft(), member)
                if taken + 1 < 0 and member.session.has_room and not member.session.is_closed:
                    heapq.heapreplace(takers, (taken + 1, number, member))
                else:
                    heapq.heappop(takers)
            self._pass_over_unheard()

    def _pass_over_unheard(self) -> None:
        """Fail what comes next if no member may hear it: their tokens permit less than those before them did."""
        while self.ready and self.members and not any(self._hearers(self.ready[0])):
            delivery = self.ready.popleft()
            self._fail(delivery, f"no member here has the permission subscribe:{delivery.entry.event}")

    def forget_all(self) -> None:
        """Forget what no member holds; it is pending at this hub still."""
        self.ready.clear()
        self.retries.clear()
        self.known.clear()

    def keep_to_itself(self) -> None:
        """Rely on no list of pending entries for what is here, because the one in Redis is gone."""
        held = (delivery for member in self.members.values() for delivery in member.held)
        for delivery in (*held, *self.ready, *self.dead, *self.retries):
            delivery.is_trimmed = True

    def _takers(self, delivery: Delivery) -> list[tuple[int, int, Member]]:
        """Return a heap of the members with credit left, the one with most of it first: less of it is more here."""
        hearers = enumerate(self._hearers(delivery))
        takers = [(-free, number, member) for number, member in hearers if (free := member.free)]
        others = [taker for taker in takers if taker[2].session is not delivery.missed_by]
        heapq.heapify(takers := others or takers)
        return takers

    def _hearers(self, delivery: Delivery) -> Iterator[Member]:
        event = delivery.entry.event
        return (member for member in self.members.values() if may_hear(member.session.identity, event))

    def _holder(self, delivery: Delivery) -> Member | None:
        return self.members.get(delivery.session) if delivery.session is not None else None

    def _answered(self, delivery: Delivery) -> None:
        member = self._holder(delivery)
        if member is not None:
            member.unanswered = 0

    def _missed(self, delivery: Delivery) -> None:
        delivery.missed_by = delivery.session
        member = self._holder(delivery)
        if member is not None:
            member.unanswered += 1
            if member.unanswered == MAX_UNANSWERED:
                logger.warning(
                    "%s/%s: %s left %d deliveries in a row unanswered; it gets one at a time until it answers one",
                    self.service,
                    self.name,
                    member.session.instance,
                    MAX_UNANSWERED,
                )

    def _give(self, delivery: Delivery, member: Member) -> None:
        session = member.session
        member.held[delivery] = None
        now = self._clock.monotonic()
        delivery.session, delivery.instance, delivery.since = session, session.instance, now
        self.deadlines.begin(delivery, now + self.policy.ack_ms / 1000)
        self._deliveries[delivery.id] = delivery
        self._counters.deliveries_sent += 1
        self._counters.named.handed(delivery.entry.frame, session.service)
        frame, delivery.shaped = delivery.shaped or delivery.entry.frame, ""
        text = (
            f'{frame},"log":"{delivery.log}","position":"{delivery.entry.position}",'
            f'"group":"{self.name}","delivery":"{delivery.id}","attempt":{delivery.attempt}}}'
        )
        session.put(text, utf8_size(text))

    def _release(self, delivery: Delivery) -> None:
        self._deliveries.pop(delivery.id, None)
        self.deadlines.stop(delivery)
        member = self._holder(delivery)
        if member is not None:
            member.held.pop(delivery, None)
            if member.credit == 0 and not member.held:
                self.leave(member.session)
        self.woken.set()

    def _deadline(self) -> float:
        return self._clock.monotonic() + self.policy.ack_ms / 1000
