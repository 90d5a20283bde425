"""Looking, for all hubs, how groups and Redis stand: one hub does so at a time, whichever has the lease."""

import logging
from collections.abc import Sequence
from typing import Final

from ipc.hub.clock import Clock
from ipc.hub.counters import Counters
from ipc.hub.stores import GroupStateStore
from ipc.protocol.errors import IPCError
from ipc.stores.group_states import GroupState
from ipc.stores.statistics import Sample, StatisticsStore

logger = logging.getLogger(__name__)

SAMPLE_S: Final = 5.0
MAX_GROUPS: Final = 100


class Sampler:
    """Takes samples while its hub leads.

    Args:
        hub_id: of this hub.
        store: has the lease, and where samples go.
        groups: knows how groups are doing.
        counters: of this hub.
        clock: tells the date.

    """

    def __init__(
        self, hub_id: str, store: StatisticsStore, groups: GroupStateStore, *, counters: Counters, clock: Clock
    ) -> None:
        self._hub_id = hub_id
        self._store = store
        self._groups = groups
        self._counters = counters
        self._clock = clock

    async def look(self) -> None:
        """Take a sample if this hub leads, or nobody does; what fails is counted, and done again in five seconds."""
        try:
            if await self._store.lead(self._hub_id):
                await self._store.put_sample(await self._sample())
        except IPCError as error:
            self._counters.statistics_failed += 1
            logger.warning("groups and Redis cannot be looked at: %s", error)

    async def _sample(self) -> Sample:
        groups = await self._groups.list()
        return Sample(
            at_ms=self._clock.now_ms(),
            groups=_with_most_to_do(groups),
            waiting=sum(group.lag or 0 for group in groups),
            pending=sum(group.pending for group in groups),
            oldest_pending_ms=max((group.oldest_pending_ms or 0 for group in groups), default=0),
            dead=sum(group.dead for group in groups),
            redis=await self._store.measure(),
        )


def _with_most_to_do(groups: Sequence[GroupState]) -> list[GroupState]:
    if len(groups) <= MAX_GROUPS:
        return list(groups)
    by_work = sorted(groups, key=lambda group: (group.dead, (group.lag or 0) + group.pending), reverse=True)
    return sorted(by_work[:MAX_GROUPS], key=lambda group: (group.service, group.group))
