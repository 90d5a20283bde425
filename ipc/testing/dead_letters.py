"""The twin of `ipc.stores.dead_letters.DeadLetters`, in memory: what a hub needs of it."""

from collections import defaultdict

from ipc.stores.dead_letter import DeadLetter
from ipc.testing.groups import MemoryGroups


class MemoryDeadLetters:
    """The dead letters of one test, by service and group."""

    def __init__(self, groups: MemoryGroups) -> None:
        self.letters: defaultdict[tuple[str, str], list[DeadLetter]] = defaultdict(list)
        self._groups = groups

    async def bury(self, service: str, group: str, letter: DeadLetter) -> None:
        """Put an event among the group's dead letters, and acknowledge it."""
        self.letters[service, group].append(letter)
        self._groups.acknowledge(letter.log, f"{service}/{group}", [letter.position])
