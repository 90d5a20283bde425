"""What a group has yet to write into the ledger: what its members have done, and what failed or takes long."""

from typing import Final

from msgspec.structs import replace

from ipc.hub.clock import Clock
from ipc.hub.delivery import Delivery
from ipc.protocol.delivery_status import Note
from ipc.stores.ledger_record import place

NOTED_AFTER_S: Final = 1.0
"""A delivery that is in a member's hands for longer is noted; most are done by then, and cost nothing more."""


class Notes:
    """The notes of one group, until they are written."""

    def __init__(self, clock: Clock) -> None:
        self.acked: list[Delivery] = []
        self.settled: list[str] = []
        self.waiting: dict[str, Note] = {}
        self._clock = clock

    def failed(self, delivery: Delivery, pause_ms: int) -> None:
        """Take note that a delivery failed, and comes again after a pause."""
        now_ms = self._clock.now_ms()
        self.waiting[_place(delivery)] = replace(_note(delivery, now_ms), next_ms=now_ms + pause_ms)

    def takes_long(self, delivery: Delivery) -> None:
        """Take note of who has a delivery, and since when."""
        held_ms = int((self._clock.monotonic() - delivery.since) * 1000)
        self.waiting[_place(delivery)] = _note(delivery, self._clock.now_ms() - held_ms)
        delivery.is_noted = True

    def settle(self, delivery: Delivery) -> None:
        """Take note that a delivery of which there may be a note is done with."""
        where = _place(delivery)
        self.waiting.pop(where, None)
        self.settled.append(where)


def _place(delivery: Delivery) -> str:
    return place(delivery.log, delivery.entry.position)


def _note(delivery: Delivery, since_ms: int) -> Note:
    """Return a note that lacks what only the hub knows."""
    return Note(
        hub="",
        attempt=delivery.attempt,
        max_attempts=0,
        instance=delivery.instance,
        since_ms=since_ms,
        error=delivery.error,
    )
