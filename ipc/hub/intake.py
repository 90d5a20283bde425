"""What becomes of events that one hub has from Redis for a group: they are looked at, shaped, and wait for a member."""

import logging
import time
from collections.abc import Sequence
from typing import Final

from ipc.hub.appetite import Appetite
from ipc.hub.counters import Counters
from ipc.hub.delivery import Delivery
from ipc.hub.group import MAX_LOSSES, GroupMembers
from ipc.hub.loop_time import LoopTime
from ipc.hub.sight import Sight
from ipc.hub.stores import GroupStore, LedgerStore
from ipc.protocol.positions import position_key
from ipc.stores.eventlog import Entry
from ipc.stores.group_replies import Claims

logger = logging.getLogger(__name__)

ADOPTED_UNSEEN: Final = 2
"""Attempts of an event that was taken once and is now taken over: it may never have been looked at."""


class Intake:
    """The way of events into one group at one hub, the new ones and those that come again.

    Args:
        group: where they wait.
        appetite: learns how many of those that are taken are wanted.
        loop_time: what looking at them may take of the event loop.

    """

    def __init__(
        self,
        group: GroupMembers,
        *,
        groups: GroupStore,
        ledger: LedgerStore,
        counters: Counters,
        appetite: Appetite,
        loop_time: LoopTime,
    ) -> None:
        self._group = group
        self._name = f"{group.service}/{group.name}"
        self._groups = groups
        self._ledger = ledger
        self._counters = counters
        self._appetite = appetite
        self._loop_time = loop_time

    async def took(self, log: str, entries: Sequence[Entry]) -> None:
        """Take new events of a log; those that the group does not want are acknowledged.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        group, now_ms = self._group, time.time_ns() // 1_000_000
        wanted = []
        for entry in entries:
            if (log, entry.position) in group.known:
                continue
            if await self._wants(log, entry):
                wanted.append(Delivery(group, log, entry, 1, now_ms))
            else:
                group.known.add((log, entry.position))
                group.ack(log, entry.position)
        self._appetite.took(entries, wanted=len(wanted))
        await self.offer(wanted)

    async def adopt(self, log: str, claims: Claims) -> None:
        """Take events over that another hub, or nobody, had; what was trimmed meanwhile is lost.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        if claims.trimmed:
            logger.error("%s lost %d events of %s, which were trimmed", self._name, len(claims.trimmed), log)
        adopted = []
        for entry, attempts in claims.taken:
            delivery = Delivery(self._group, log, entry, attempts, position_key(entry.position)[0])
            delivery.error = "its hub went away, or nobody answered there, before it was acknowledged"
            if attempts > ADOPTED_UNSEEN or await self._wants(log, entry):
                adopted.append(delivery)
            else:
                # Its hub had taken it, and went away before it could say that nobody wants it.
                self._group.known.add(delivery.place)
                self._group.ack(log, entry.position)
        await self.offer(adopted)
        if claims.trimmed:
            await self._ledger.lost(self._name, log, claims.trimmed)

    async def offer(self, deliveries: Sequence[Delivery]) -> None:
        """Hand out what is pending at this hub now, except what the group has handled already.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        group = self._group
        handled: frozenset[str] = frozenset()
        if group.once and deliveries:
            handled = await self._groups.handled(self._name, [delivery.key for delivery in deliveries])
        if group.terms.select is not None:
            for delivery in deliveries:
                await self._shape(delivery)
        for delivery in deliveries:
            group.known.add(delivery.place)
            if handled and delivery.key in handled:
                self._counters.deliveries_spared += 1
                group.ack(delivery.log, delivery.entry.position)
                delivery.instance = ""
                group.notes.acked.append(delivery)
            elif delivery.attempt > group.policy.max_attempts + MAX_LOSSES:
                group.dead.append(delivery)
            else:
                group.ready.append(delivery)
        group.hand_out()

    async def _wants(self, log: str, entry: Entry) -> bool:
        group = self._group
        if group.terms.where is None:
            return group.wants(log, entry)
        await self._loop_time.room()
        began = time.perf_counter()
        try:
            return group.wants(log, entry)
        finally:
            self._loop_time.use(time.perf_counter() - began)

    async def _shape(self, delivery: Delivery) -> None:
        """Select what the group wants of an event; a dead letter of it keeps the whole."""
        await self._loop_time.room()
        began = time.perf_counter()
        delivery.shaped = Sight(delivery.entry.frame).shaped(self._group.terms)
        self._loop_time.use(time.perf_counter() - began)
