"""The twin of `ipc.stores.group_states.GroupStates`, in memory."""

from ipc.protocol.routing import BROADCAST, logs_of_group
from ipc.stores.group_states import GroupState
from ipc.testing.dead_letters import MemoryDeadLetters
from ipc.testing.groups import MemoryGroups


class MemoryGroupStates:
    """The states of the groups of one test; nothing is ever lost to the cap of a log."""

    def __init__(self, groups: MemoryGroups, dead_letters: MemoryDeadLetters) -> None:
        self._groups = groups
        self._dead_letters = dead_letters

    async def list(self) -> list[GroupState]:
        """Return all groups, by service and name."""
        return [await self._state(*name.split("/", 1)) for name in self._groups.on_log(BROADCAST)]

    async def _state(self, service: str, group: str) -> GroupState:
        name, logs = f"{service}/{group}", logs_of_group(service, group)
        backlogs = [self._groups.backlog(log, name) for log in logs]
        ages = [backlog.oldest_pending_ms for backlog in backlogs if backlog.oldest_pending_ms is not None]
        return GroupState(
            service=service,
            group=group,
            hubs=len(await self._groups.served_by(service, group)),
            pending=sum(backlog.pending for backlog in backlogs),
            lag=sum(backlog.lag for backlog in backlogs),
            oldest_pending_ms=max(ages, default=None),
            lost=0,
            dead=len(self._dead_letters.letters[service, group]),
        )
