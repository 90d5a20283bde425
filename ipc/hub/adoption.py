"""Who serves a group, and what becomes of events that a hub has taken and does not have any more.

Hubs say that they serve a group, every few seconds. What is pending at one that has not said so for a while is taken
over by another. A hub may also lose track of what is pending at itself: the answer to a read was lost with its
connection, or its members left and came back.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from ipc.hub.counters import Counters
from ipc.hub.stores import GroupStore
from ipc.stores.group_replies import Claims
from ipc.stores.groups import NOBODY

PAGE: Final = 100

IsKnown = Callable[[str, str], bool]
Adopt = Callable[[str, Claims], Awaitable[None]]


class Adoption:
    """One hub's part in it, for one group.

    Args:
        logs: of the group.
        is_known: tells whether the hub has the event at a position of a log.
        adopt: takes events that were claimed.
        room: tells how many it can take.
        is_stuck: tells whether no member here answers, so that what nobody has is better left to other hubs.

    """

    def __init__(
        self,
        service: str,
        name: str,
        *,
        logs: tuple[str, ...],
        hub_id: str,
        groups: GroupStore,
        counters: Counters,
        is_known: IsKnown,
        adopt: Adopt,
        room: Callable[[], int],
        is_stuck: Callable[[], bool],
    ) -> None:
        self.has_leftovers = True
        """Whether something may be pending at this hub that it does not have."""
        self.is_unfinished = False
        """Whether there was more than room for it."""
        self.has_others = False
        """Whether other hubs serve the group, as far as is known."""
        # True from before it is said until it is certainly taken back: what is cut off may or may not have happened.
        self._may_be_serving = False
        self._service = service
        self._name = name
        self._redis_name = f"{service}/{name}"
        self._logs = logs
        self._hub_id = hub_id
        self._groups = groups
        self._counters = counters
        self._is_known = is_known
        self._adopt = adopt
        self._room = room
        self._is_stuck = is_stuck

    async def tend(self) -> None:
        """Say that this hub serves the group, and take over what nobody has.

        Raises:
            GroupMissingError: the group does not exist.
            UnavailableError: Redis is out of reach.

        """
        self._may_be_serving = True
        serving = await self._groups.serving(self._service, self._name, self._hub_id)
        self.has_others = len(serving.hubs - {self._hub_id}) > 0
        is_done = True
        for log in self._logs:
            for consumer, pending in (await self._groups.consumers(log, self._redis_name)).items():
                if consumer == self._hub_id:
                    if self.has_leftovers and pending:
                        is_done &= await self._take_over(log, consumer)
                elif consumer == NOBODY and self._is_stuck() and self.has_others:
                    continue
                # A hub that was unknown until now was away, or Redis was. Then the others get time to say that they
                # are there.
                elif consumer not in serving.hubs and serving.was_known:
                    if pending:
                        is_done &= await self._take_over(log, consumer)
                    else:
                        await self._groups.remove_consumer(log, self._redis_name, consumer)
        self.has_leftovers = self.has_leftovers and not is_done
        self.is_unfinished = not is_done

    async def leave(self) -> None:
        """Say that this hub serves the group no more; what is pending at it is then unknown to it.

        Raises:
            UnavailableError: Redis is out of reach; the others find out when its word has run out.

        """
        self.has_leftovers = True
        if self._may_be_serving:
            await self._groups.stop_serving(self._service, self._name, self._hub_id)
            self._may_be_serving = False

    async def _take_over(self, log: str, consumer: str) -> bool:
        """Take over what is pending at a consumer, and tell whether that was all of it."""
        after = "-"
        while True:
            page = await self._groups.pending(log, self._redis_name, consumer, count=PAGE, after=after)
            unknown = [entry.position for entry in page if not self._is_known(log, entry.position)]
            wanted = unknown[: max(0, self._room())]
            if wanted:
                claims = await self._groups.claim(log, self._redis_name, self._hub_id, wanted, owner=consumer)
                self._counters.deliveries_adopted += len(claims.taken)
                self._counters.deliveries_trimmed += len(claims.trimmed)
                await self._adopt(log, claims)
            if len(wanted) < len(unknown):
                return False
            if len(page) < PAGE:
                return True
            after = page[-1].position
