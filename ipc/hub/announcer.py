"""Announcing that services have come and gone: each change is in the log once, whichever hubs try to put it there."""

import logging
from collections.abc import Callable, Sequence

from ipc.hub.stores import RegistryStore
from ipc.hub.tasks import OwnedTasks
from ipc.hub.writer import Emission
from ipc.protocol import codec
from ipc.protocol.discovery import SOURCE, Change
from ipc.protocol.errors import IPCError
from ipc.protocol.routing import BROADCAST
from ipc.protocol.services import namespace
from ipc.stores.eventlog import NewEvent

logger = logging.getLogger(__name__)


class Announcer:
    """Puts changes into the log ``broadcast``.

    The registry has decided each, once; it is handed to whoever looks until one hub says that it is in the log. A
    second hub that puts it there meanwhile does so with the same id, which the log drops.

    Args:
        registry: is told what is in the log.
        append: takes an event to be appended.
        is_silent: nothing is announced.

    """

    def __init__(self, registry: RegistryStore, append: Callable[[Emission], None], *, is_silent: bool = False) -> None:
        self._registry = registry
        self._append = append
        self._is_silent = is_silent
        self._under_way: set[str] = set()
        self._tasks = OwnedTasks("announcer")

    def tell(self, changes: Sequence[Change]) -> None:
        """Announce changes, unless that is under way."""
        if self._is_silent:
            return
        for change in changes:
            if change.event_id not in self._under_way:
                self._under_way.add(change.event_id)
                event = NewEvent(f"{SOURCE}/{change.event_id}", change.event, _frame(change))
                self._append(Emission(event, _Receipt(self, change), SOURCE))

    async def close(self) -> None:
        """Stop; what is not written down as announced is announced again, and dropped as a repeat."""
        await self._tasks.close()

    def accepted(self, change: Change) -> None:
        """Take note that a change is in the log."""
        self._tasks.start(self._announced(change), f"announced {change.event_id}")

    def refused(self, change: Change) -> None:
        """Take note that a change could not be appended; it comes again."""
        self._under_way.discard(change.event_id)

    async def _announced(self, change: Change) -> None:
        try:
            await self._registry.announced(change)
        except IPCError as error:
            logger.warning("%s is announced, and will be tried again: %s", change.event_id, error)
        finally:
            self._under_way.discard(change.event_id)


class _Receipt:
    """Tells the announcer what became of one change."""

    def __init__(self, announcer: Announcer, change: Change) -> None:
        self._announcer = announcer
        self._change = change

    def accepted(self, log: str, position: str, *, is_repeat: bool) -> None:
        """Take note: it is in the log, from this hub or from another."""
        del log, position, is_repeat
        self._announcer.accepted(self._change)

    def refused(self, log: str, error: IPCError) -> None:
        """Take note: it could not be appended."""
        del log, error
        self._announcer.refused(self._change)


def _frame(change: Change) -> str:
    """Return the ``event`` message up to where the log adds its name and the position."""
    data = {
        "service": change.service,
        "namespace": namespace(change.service),
        "state": change.state,
        "instance": change.instance,
        "reason": change.reason,
        "at": change.at_ms,
        "generation": change.generation,
    }
    return (
        f'{{"type":"event","id":"{change.event_id}","event":"{change.event}","source":"{SOURCE}",'
        f'"target":"{BROADCAST}","ts":{change.at_ms},"data":{codec.encode_json(data)}'
    )
