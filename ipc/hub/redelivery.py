"""Events that failed: each is delivered again after its pause, or becomes a dead letter."""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from ipc.hub.clock import Clock
from ipc.hub.counters import Counters
from ipc.hub.delivery import Delivery
from ipc.hub.group import GroupMembers
from ipc.hub.stores import DeadLetterStore, GroupStore
from ipc.stores.dead_letter import DeadLetter

logger = logging.getLogger(__name__)


class Redelivery:
    """The failed events of one group at one hub.

    Args:
        group: where they wait.
        hub_id: the consumer at which they are pending.
        offer: hands next attempts out.

    """

    def __init__(
        self,
        group: GroupMembers,
        *,
        hub_id: str,
        groups: GroupStore,
        dead_letters: DeadLetterStore,
        clock: Clock,
        counters: Counters,
        offer: Callable[[Sequence[Delivery]], Awaitable[None]],
    ) -> None:
        self._group = group
        self._name = f"{group.service}/{group.name}"
        self._hub_id = hub_id
        self._groups = groups
        self._dead_letters = dead_letters
        self._clock = clock
        self._counters = counters
        self._offer = offer

    async def try_again(self) -> None:
        """Deliver again what has waited long enough, as far as members take it.

        Raises:
            GroupMissingError: the group does not exist.
            UnavailableError: Redis is out of reach; what was due is due still.

        """
        due = self._group.retries.take(self._clock.monotonic(), self._group.free)
        try:
            while due:
                log = due[0].log
                await self._offer(await self._claim(log, [delivery for delivery in due if delivery.log == log]))
                due = [delivery for delivery in due if delivery.log != log]
        except BaseException:
            for delivery in due:
                self._group.retries.add(delivery, self._clock.monotonic())
            raise

    async def hand_over(self) -> None:
        """Leave what is due to other hubs: here it would only use its attempts up.

        Raises:
            GroupMissingError: the group does not exist.
            UnavailableError: Redis is out of reach; what was not left is here still.

        """
        group, now = self._group, self._clock.monotonic()
        due = group.retries.take(now, len(group.retries))
        left: list[Delivery] = []
        try:
            for log in group.logs:
                # What the log has dropped is only here.
                here = {each.entry.position: each for each in due if each.log == log}
                positions = [position for position, each in here.items() if not each.is_trimmed]
                if positions:
                    handed = await self._groups.hand_over(log, self._name, self._hub_id, positions)
                    left += [here[position] for position in handed]
        finally:
            gone = {delivery.place for delivery in left}
            for delivery in due:
                if delivery.place not in gone:
                    group.retries.add(delivery, now)
            group.known -= gone
            for delivery in left:
                group.notes.settle(delivery)
        if left:
            logger.warning("%s: %d events are left to other hubs, since no member here answers", self._name, len(left))

    async def bury(self) -> None:
        """Make dead letters of what was given up.

        Raises:
            GroupMissingError: the group does not exist.
            UnavailableError: Redis is out of reach; what was given up still waits to be buried.

        """
        dead = self._group.dead
        while dead:
            delivery = dead[0]
            if await self._claim(delivery.log, [delivery]):
                await self._dead_letters.bury(self._group.service, self._group.name, _letter(delivery))
                self._counters.deliveries_dead += 1
                self._group.notes.settle(delivery)
                logger.error(
                    "%s gave up %s at %s: %s",
                    self._name,
                    delivery.entry.event,
                    delivery.entry.position,
                    delivery.error,
                )
            self._group.known.discard(delivery.place)
            dead.popleft()

    async def _claim(self, log: str, due: Sequence[Delivery]) -> list[Delivery]:
        """Return the next attempts, without those that another hub has taken over because it took this one for dead.

        Redis counts the attempts. What the log has dropped meanwhile is only here any more.
        """
        held = [delivery.entry.position for delivery in due if not delivery.is_trimmed]
        claims = await self._groups.claim(log, self._name, self._hub_id, held, owner=self._hub_id) if held else None
        attempts = {entry.position: attempts for entry, attempts in claims.taken} if claims else {}
        trimmed = frozenset(claims.trimmed) if claims else frozenset()
        again = []
        for delivery in due:
            position = delivery.entry.position
            delivery.is_trimmed = delivery.is_trimmed or position in trimmed
            if delivery.is_trimmed or position in attempts:
                again.append(delivery.again(attempts.get(position, delivery.attempt + 1)))
            else:
                self._counters.deliveries_taken_over += 1
                self._group.known.discard(delivery.place)
        return again


def _letter(delivery: Delivery) -> DeadLetter:
    return DeadLetter(
        log=delivery.log,
        position=delivery.entry.position,
        event=delivery.entry.event,
        frame=delivery.entry.frame,
        error=delivery.error,
        traceback=delivery.traceback,
        attempts=delivery.attempt,
        first_ms=delivery.first_ms,
        last_ms=time.time_ns() // 1_000_000,
        instance=delivery.instance,
    )
