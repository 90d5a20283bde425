"""What one durable group does in Redis, from one hub: it takes events, acknowledges, and takes over what others left.

All of it happens in one task, one thing after the other, so acknowledgements, retries and new events cannot overtake
each other.
"""

import asyncio
import logging
from typing import Final

from ipc.hub.adoption import Adoption
from ipc.hub.appetite import Appetite
from ipc.hub.bookkeeping import Bookkeeping
from ipc.hub.clock import Clock
from ipc.hub.counters import Counters
from ipc.hub.group import GroupMembers
from ipc.hub.intake import Intake
from ipc.hub.loop_time import LoopTime
from ipc.hub.redelivery import Redelivery
from ipc.hub.schedule import MAX_WAITING
from ipc.hub.session import Session
from ipc.hub.stores import DeadLetterStore, GroupStore, LedgerStore
from ipc.protocol.errors import IPCError
from ipc.protocol.positions import START
from ipc.stores.group_replies import GroupMissingError

logger = logging.getLogger(__name__)

TEND_S: Final = 5.0
FAILURE_PAUSE_S: Final = 1.0


class GroupTask:
    """The work of one group at one hub.

    Args:
        group: its members, and what waits for them.
        hub_id: the name of this hub's consumer.

    """

    def __init__(
        self,
        group: GroupMembers,
        *,
        hub_id: str,
        groups: GroupStore,
        dead_letters: DeadLetterStore,
        ledger: LedgerStore,
        clock: Clock,
        counters: Counters,
        loop_time: LoopTime,
    ) -> None:
        self._group = group
        self.name = f"{group.service}/{group.name}"
        self._hub_id = hub_id
        self._groups = groups
        self._clock = clock
        self._counters = counters
        self._ledger = ledger
        self._bookkeeping = Bookkeeping(group, hub_id=hub_id, ledger=ledger, clock=clock)
        self._appetite = Appetite()
        self._intake = Intake(
            group, groups=groups, ledger=ledger, counters=counters, appetite=self._appetite, loop_time=loop_time
        )
        self._must_recreate = False
        self._next_tend = 0.0
        self._watched: set[Session] = set()
        self._redelivery = Redelivery(
            group,
            hub_id=hub_id,
            groups=groups,
            dead_letters=dead_letters,
            clock=clock,
            counters=counters,
            offer=self._intake.offer,
        )
        self._adoption = Adoption(
            group.service,
            group.name,
            logs=group.logs,
            hub_id=hub_id,
            groups=groups,
            counters=counters,
            is_known=lambda log, position: (log, position) in group.known,
            adopt=self._intake.adopt,
            room=self._room,
            is_stuck=lambda: group.is_stuck,
        )

    async def run(self) -> None:
        """Serve the members until there are none; nothing is awaited after the last look for them."""
        while True:
            self._group.woken.clear()
            try:
                if self._group.members:
                    await self._serve()
                elif await self._stop_serving():
                    return
            except GroupMissingError as error:
                logger.error("%s: %s; it begins again with all that its logs have", self.name, error)  # noqa: TRY400 - foreseen
                self._must_recreate = True
                continue
            except IPCError as error:
                logger.warning("%s waits: %s", self.name, error)
                await self._failed()
                continue
            except Exception:
                logger.exception("%s failed in an unforeseen way, and goes on", self.name)
                await self._failed()
                continue
            if not self._has_work():
                self._watch_connections()
                await self._clock.wait(self._group.woken, self._next_time())

    async def close(self) -> None:
        """Write what was acknowledged and given up, and leave the rest to other hubs.

        Raises:
            UnavailableError: Redis is out of reach, so other hubs deliver all of it again.

        """
        self._group.members.clear()
        await self._stop_serving()

    async def _serve(self) -> None:
        """Take one step of each kind, so that none keeps another waiting, however much there is to do."""
        if self._must_recreate:
            await self._recreate()
        if self._clock.monotonic() >= self._next_tend or self._can_adopt():
            await self._bookkeeping.define()
            await self._adoption.tend()
            self._group.look_everywhere()
            self._next_tend = self._clock.monotonic() + TEND_S
        self._group.expire()
        await self._redelivery.bury()
        self._group.hand_out()
        if self._group.is_stuck and self._adoption.has_others:
            await self._redelivery.hand_over()
        await self._redelivery.try_again()
        await self._exchange()
        await self._bookkeeping.write()

    async def _failed(self) -> None:
        """Wait a little, and then look for what a read took whose answer was lost."""
        self._counters.group_steps_failed += 1
        self._adoption.has_leftovers = True
        self._next_tend = 0.0
        await self._clock.wait(asyncio.Event(), self._clock.monotonic() + FAILURE_PAUSE_S)

    # New events

    def _is_hungry(self) -> bool:
        group = self._group
        return bool(group.dirty) and group.free > 0 and not group.retries.is_full

    async def _exchange(self) -> None:
        group = self._group
        logs = [next(iter(group.dirty))] if self._is_hungry() else []
        if not logs and not group.acks:
            return
        count = self._appetite.count(group.free)
        acks, group.acks = group.acks, {}
        handled, group.handled = group.handled, []
        done = self._bookkeeping.take()
        for log in logs:
            del group.dirty[log]
        try:
            taken = await self._groups.exchange(
                self.name,
                self._hub_id,
                acks=acks,
                logs=logs,
                count=count,
                handled=handled,
                acked=done.acked,
                settled=done.settled,
            )
        except BaseException:
            for log, positions in acks.items():
                group.acks.setdefault(log, []).extend(positions)
            group.handled += handled
            self._bookkeeping.put_back(done)
            group.dirty.update(dict.fromkeys(logs))
            raise
        group.known.difference_update((log, position) for log, positions in acks.items() for position in positions)
        self._counters.named.acknowledged(
            group.service, group.name, [each.entry.position for each in done.deliveries if each.instance]
        )
        if len(taken) >= count:
            # There may be more; the other logs come first.
            group.dirty.update(dict.fromkeys(logs))
        for log in logs:
            await self._intake.took(log, [entry for _, entry in taken])

    # Beginning and end

    async def _recreate(self) -> None:
        """Create the group anew; what this hub has is in no list of pending entries any more."""
        for log in self._group.logs:
            await self._groups.create(log, self.name, after=START)
            await self._ledger.began(self.name, log, START)
        self._group.keep_to_itself()
        self._counters.groups_recreated += 1
        self._must_recreate = False

    async def _stop_serving(self) -> bool:
        """Write what is to be written and leave the rest to other hubs, unless there are members again."""
        group = self._group
        if self._must_recreate:
            group.keep_to_itself()
        await self._redelivery.bury()
        while group.acks:
            await self._exchange()
        await self._bookkeeping.write()
        if group.members:
            return False
        group.forget_all()
        self._next_tend = 0.0
        await self._adoption.leave()
        return not group.members

    def _room(self) -> int:
        return MAX_WAITING - len(self._group.ready) - len(self._group.retries)

    def _can_adopt(self) -> bool:
        return self._adoption.is_unfinished and self._group.free > 0 and self._room() > 0

    def _has_work(self) -> bool:
        group = self._group
        return bool(group.acks or group.dead) or self._is_hungry() or self._can_adopt() or not group.members

    def _next_time(self) -> float:
        group = self._group
        times = [
            self._next_tend,
            group.deadlines.next,
            group.retries.next if group.free > 0 else None,
            self._bookkeeping.next_look(),
        ]
        return min(time for time in times if time is not None)

    def _watch_connections(self) -> None:
        """Go on as soon as a connection that is behind has caught up."""
        for session, member in self._group.members.items():
            if member.waits_for_room and session not in self._watched:
                self._watched.add(session)
                session.tasks.start(self._wake_with_room(session), f"room for {self.name}")

    async def _wake_with_room(self, session: Session) -> None:
        try:
            await session.outbox_room()
        finally:
            self._watched.discard(session)
            self._group.woken.set()
