"""The twin of `ipc.stores.ledger.Ledger`, in memory."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from ipc.protocol.delivery_status import Definition, GroupFacts, Held, Letter, Note, Receipt
from ipc.protocol.positions import position_key
from ipc.protocol.routing import is_own_log
from ipc.stores.event_search import MAX_SIGHTINGS, Search, Sighting, head_of
from ipc.stores.ledger import Facts
from ipc.stores.ledger_record import place
from ipc.testing.dead_letters import MemoryDeadLetters
from ipc.testing.groups import MemoryGroups
from ipc.testing.streams import Streams


class MemoryLedger:
    """The ledger of one test. ``name`` is ``<service>/<group>`` in all methods.

    Args:
        streams: hold the events.
        groups: hold what is pending, and what was acknowledged.
        dead_letters: hold what was given up.
        now_ms: the date in Unix milliseconds.

    """

    def __init__(
        self, streams: Streams, groups: MemoryGroups, dead_letters: MemoryDeadLetters, now_ms: Callable[[], int]
    ) -> None:
        self._streams = streams
        self._groups = groups
        self._dead_letters = dead_letters
        self._now_ms = now_ms
        self._definitions: defaultdict[str, dict[tuple[tuple[str, ...], int, str, str], int]] = defaultdict(dict)
        self._began: dict[tuple[str, str], str] = {}

    async def define(
        self, name: str, events: Iterable[str], max_attempts: int, *, where: str = "", select: str = ""
    ) -> None:
        """Say what a group wants from now on, or still; its condition and its shape are given as JSON."""
        self._definitions[name][tuple(sorted(events)), max_attempts, where, select] = self._now_ms()

    async def definitions(self, names: Sequence[str]) -> list[tuple[Definition, ...]]:
        """Return what each of some groups has wanted."""
        found = (self._definitions.get(name, {}) for name in names)
        return [tuple(Definition(last_ms, *each) for each, last_ms in definitions.items()) for definitions in found]

    async def began(self, name: str, log: str, after: str) -> None:
        """Write down the position of a log after which a group has begun."""
        self._began[name, log] = after if "-" in after else f"{after}-0"

    async def note(self, name: str, notes: Mapping[str, Note], settled: Sequence[str] = ()) -> None:
        """Write notes, by places in logs, and drop those of places that are settled."""
        for where in settled:
            self._groups.notes.pop((name, where), None)
        self._groups.notes.update({(name, where): note for where, note in notes.items()})

    async def lost(self, name: str, log: str, positions: Sequence[str]) -> None:
        """Write down which events a group was given that are gone from the log and from its hub."""
        for position in positions:
            self._groups.receipts[name, place(log, position)] = Receipt(at_ms=self._now_ms(), is_lost=True)

    async def forget(self, name: str) -> None:
        """Delete what was written of a group."""
        self._definitions.pop(name, None)
        self._began = {key: after for key, after in self._began.items() if key[0] != name}
        self._groups.forget_ledger(name)

    async def at(self, log: str, position: str) -> Sighting:
        """Return what is at a place."""
        entry = self._streams[log].find(position)
        head = head_of(entry.frame) if entry is not None else None
        return Sighting(log, position, head.source if head is not None else None, head)

    async def last(self, log: str) -> str:
        """Return the last position of a log."""
        return self._streams[log].last

    async def find(self, event_id: str, *, source: str | None = None) -> Search:
        """Look for an event, of one source or of any."""
        places = [(log, entry) for log in sorted(self._streams) for entry, _ in self._streams[log].rows]
        shared = [(log, entry.position, head_of(entry.frame)) for log, entry in places if not is_own_log(log)]
        found = [
            Sighting(log, position, head.source, head)
            for log, position, head in shared
            if head.id == event_id and source in {None, head.source}
        ]
        return Search(found[-MAX_SIGHTINGS:], len(shared))

    async def facts(self, log: str, position: str, event: str | None, *, only: str | None = None) -> Facts:  # noqa: ARG002 - nothing is looked for in vain here
        """Return what is known of the groups of a log and one place in it."""
        names = [name for name in self._groups.on_log(log) if only in {None, name}]
        return Facts([await self._of_group(name, log, position) for name in names], False, self._now_ms())

    async def _of_group(self, name: str, log: str, position: str) -> GroupFacts:
        service, _, group = name.partition("/")
        delivered, given = self._groups.given(log, name, position)
        definitions = self._definitions[name].items()
        stream = self._streams[log]
        return GroupFacts(
            service=service,
            group=group,
            log=log,
            position=position,
            in_log=stream.find(position) is not None,
            last_delivered=delivered,
            hubs=await self._groups.served_by(service, group),
            now_ms=self._now_ms(),
            held=Held(given.consumer, given.idle_ms, given.attempts) if given is not None else None,
            note=self._groups.notes.get((name, place(log, position))),
            receipt=self._groups.receipts.get((name, place(log, position))),
            letter=self._letter(service, group, log, position),
            is_recorded=True,
            began=self._began.get((name, log)),
            ahead=len([key for key in stream.keys if position_key(delivered) < key < position_key(position)]),
            definitions=tuple(Definition(last_ms, *definition) for definition, last_ms in definitions),
        )

    def _letter(self, service: str, group: str, log: str, position: str) -> Letter | None:
        for number, letter in enumerate(self._dead_letters.letters[service, group]):
            if (letter.log, letter.position) == (log, position):
                return Letter(
                    id=f"{service}/{group}/{letter.last_ms}-{number}",
                    error=letter.error,
                    attempts=letter.attempts,
                    last_ms=letter.last_ms,
                    instance=letter.instance,
                )
        return None
