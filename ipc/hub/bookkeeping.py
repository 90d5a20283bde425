"""Writing a group's part of the ledger: with the exchange what is done, and beside it the few that need a note."""

from collections import defaultdict
from typing import NamedTuple

from msgspec.structs import replace

from ipc.hub.clock import Clock
from ipc.hub.delivery import Delivery
from ipc.hub.group import GroupMembers
from ipc.hub.notes import NOTED_AFTER_S
from ipc.hub.stores import LedgerStore
from ipc.stores.ledger_record import Acked


class Done(NamedTuple):
    """What goes with one exchange: acknowledged deliveries, as they are recorded, and places without a note now."""

    deliveries: list[Delivery]
    acked: list[Acked]
    settled: list[str]


class Bookkeeping:
    """The ledger of one group at one hub.

    Args:
        group: its members, and what they have answered.
        hub_id: the consumer at which its events are pending.

    """

    def __init__(self, group: GroupMembers, *, hub_id: str, ledger: LedgerStore, clock: Clock) -> None:
        self._group = group
        self._name = f"{group.service}/{group.name}"
        self._hub_id = hub_id
        self._ledger = ledger
        self._clock = clock
        self._look_at: float | None = None

    async def define(self) -> None:
        """Say what the group wants here.

        Raises:
            UnavailableError: Redis is out of reach.

        """
        group = self._group
        await self._ledger.define(
            self._name,
            group.interest.patterns,
            group.policy.max_attempts,
            where=group.terms.where_json,
            select=group.terms.select_json,
        )

    def take(self) -> Done:
        """Take what is to be written with an exchange; `put_back` if that fails."""
        notes = self._group.notes
        deliveries, notes.acked = notes.acked, []
        kinds: defaultdict[tuple[str, str, int], list[str]] = defaultdict(list)
        for delivery in deliveries:
            kinds[delivery.log, delivery.instance, delivery.attempt].append(delivery.entry.position)
            if delivery.attempt > 1 or delivery.is_noted:
                notes.settle(delivery)
        settled, notes.settled = notes.settled, []
        return Done(deliveries, [Acked(*kind, positions) for kind, positions in kinds.items()], settled)

    def put_back(self, done: Done) -> None:
        """Keep what could not be written for the next exchange."""
        notes = self._group.notes
        notes.acked[:0] = done.deliveries
        notes.settled[:0] = done.settled

    def next_look(self) -> float | None:
        """Return when to look for deliveries that take long, None while there is nothing to look for."""
        if self._look_at is None and any(True for _ in self._unnoted()):
            self._look_at = self._clock.monotonic() + NOTED_AFTER_S
        return self._look_at

    async def write(self) -> None:
        """Write notes of what failed and of what takes long; for most events there are none.

        Raises:
            UnavailableError: Redis is out of reach; they are written later.

        """
        self._look()
        notes = self._group.notes
        if not notes.waiting and not notes.settled:
            return
        waiting, notes.waiting = notes.waiting, {}
        settled, notes.settled = notes.settled, []
        attempts = self._group.policy.max_attempts
        written = {where: replace(note, hub=self._hub_id, max_attempts=attempts) for where, note in waiting.items()}
        try:
            await self._ledger.note(self._name, written, settled)
        except BaseException:
            notes.waiting = {**waiting, **notes.waiting}
            notes.settled[:0] = settled
            raise

    def _look(self) -> None:
        now = self._clock.monotonic()
        if self._look_at is None or now < self._look_at:
            return
        self._look_at = None
        for delivery in self._unnoted():
            if now - delivery.since >= NOTED_AFTER_S:
                self._group.notes.takes_long(delivery)

    def _unnoted(self) -> "filter[Delivery]":
        held = (delivery for member in self._group.members.values() for delivery in member.held)
        return filter(lambda delivery: not delivery.is_noted, held)
