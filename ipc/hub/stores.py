"""What a hub needs of the stores that it is handed: the ones on Redis have it, and so have the twins for tests.

What each method does, and what it raises, is written where it is built: `ipc/stores/`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ipc.protocol.declarations import DeclaredEvent, Drift
from ipc.protocol.delivery_status import Definition, Note
from ipc.protocol.discovery import Change, Changes
from ipc.protocol.services import SERVICES
from ipc.stores.dead_letter import DeadLetter
from ipc.stores.event_search import Search, Sighting
from ipc.stores.eventlog import Appended, Entry, Gap, NewEvent, Reading
from ipc.stores.group_replies import Claims, Pending, Serving
from ipc.stores.group_states import GroupState
from ipc.stores.ledger import Facts
from ipc.stores.ledger_record import Acked
from ipc.stores.operations import Operations
from ipc.stores.registry import Registration
from ipc.stores.resources import Claim, Ownership
from ipc.stores.shares import Share
from ipc.stores.statistics import StatisticsStore


class LogStore(Protocol):
    """The logs."""

    async def append(self, log: str, events: Sequence[NewEvent]) -> Appended:
        """Append events to a log, each idempotency key once in five minutes."""

    async def last_positions(self, logs: Sequence[str]) -> list[str]:
        """Return the last position of each log."""

    async def lengths(self, logs: Sequence[str]) -> list[int]:
        """Return how many events each log has."""

    async def read(self, log: str, *, after: str, until: str = "+", count: int = 500) -> Reading:
        """Return events after a position, and whether some before them are missing."""

    async def gap_after(self, log: str, position: str) -> Gap | None:
        """Return why events after a position are missing, or None."""

    async def position_before(self, log: str, moment_ms: int) -> str:
        """Return the position after which the events since a moment come."""

    async def trim(self, log: str) -> None:
        """Drop the events that are older than a log keeps them."""


class GroupStore(Protocol):
    """The durable groups, and what is pending in them."""

    async def create(self, log: str, name: str, *, after: str = "$") -> bool:
        """Create a group on a log, and tell whether it is new; one that exists stays as it is."""

    async def exists(self, log: str, name: str) -> bool:
        """Tell whether a group exists on a log."""

    async def names(self, log: str) -> frozenset[str]:
        """Return the groups that exist on a log."""

    async def destroy(self, log: str, name: str) -> None:
        """Delete a group on a log."""

    async def exchange(
        self,
        name: str,
        consumer: str,
        *,
        acks: Mapping[str, Sequence[str]],
        logs: Sequence[str],
        count: int,
        handled: Sequence[str] = (),
        acked: Sequence[Acked] = (),
        settled: Sequence[str] = (),
    ) -> list[tuple[str, Entry]]:
        """Remember keys of handled events, write into the ledger, acknowledge positions, and take new events."""

    async def handled(self, name: str, handled: Sequence[str]) -> frozenset[str]:
        """Return which of some keys a group has handled within a day."""

    async def claim(self, log: str, name: str, consumer: str, positions: Sequence[str], *, owner: str) -> Claims:
        """Take over entries that are pending at an owner."""

    async def hand_over(self, log: str, name: str, consumer: str, positions: Sequence[str]) -> list[str]:
        """Leave entries that are pending at a consumer to nobody, and return those that were."""

    async def pending(self, log: str, name: str, consumer: str, *, count: int = 100, after: str = "-") -> list[Pending]:
        """Return pending entries of one consumer, oldest first."""

    async def consumers(self, log: str, name: str) -> dict[str, int]:
        """Return the consumers of a group, with how many entries are pending at each."""

    async def remove_consumer(self, log: str, name: str, consumer: str) -> None:
        """Delete a consumer, unless something is pending at it."""

    async def serving(self, service: str, group: str, hub: str) -> Serving:
        """Say that a hub serves a group, and return all that do."""

    async def served_by(self, service: str, group: str) -> frozenset[str]:
        """Return the hubs that serve a group."""

    async def stop_serving(self, service: str, group: str, hub: str) -> None:
        """Say that a hub does not serve a group any more."""


class DeadLetterStore(Protocol):
    """The events that groups have given up."""

    async def bury(self, service: str, group: str, letter: DeadLetter) -> None:
        """Keep a dead letter, and acknowledge its event."""


class LedgerStore(Protocol):
    """What groups have done with events."""

    async def define(
        self, name: str, events: Iterable[str], max_attempts: int, *, where: str = "", select: str = ""
    ) -> None:
        """Say what a group wants from now on, or still."""

    async def definitions(self, names: Sequence[str]) -> list[tuple[Definition, ...]]:
        """Return what each of some groups has wanted."""

    async def began(self, name: str, log: str, after: str) -> None:
        """Write down the position of a log after which a group has begun."""

    async def note(self, name: str, notes: Mapping[str, Note], settled: Sequence[str] = ()) -> None:
        """Write notes, by places in logs, and drop those of places that are settled."""

    async def lost(self, name: str, log: str, positions: Sequence[str]) -> None:
        """Write down which events a group was given that are gone from the log and from its hub."""

    async def forget(self, name: str) -> None:
        """Delete what was written of a group."""

    async def at(self, log: str, position: str) -> Sighting:
        """Return what is at a place."""

    async def last(self, log: str) -> str:
        """Return the last position of a log."""

    async def find(self, event_id: str, *, source: str | None = None) -> Search:
        """Look for an event, of one source or of any."""

    async def facts(self, log: str, position: str, event: str | None, *, only: str | None = None) -> Facts:
        """Return what is known of the groups of a log and one place in it."""


class RegistryStore(Protocol):
    """Which instances are attached, and which services are there because of them."""

    async def put(self, registrations: Iterable[Registration], *, renewed: frozenset[str] = frozenset()) -> Changes:
        """Write or renew registrations, and return what is to be announced."""

    async def remove(self, sessions: Mapping[str, str]) -> Changes:
        """Take out instances that have left, and return what is to be announced."""

    async def sweep(self, *, expires: bool) -> Changes:
        """Look which services have gone, and return what is to be announced."""

    async def announced(self, change: Change) -> None:
        """Take note that a change is in the log."""

    async def list(self, services: Collection[str] = SERVICES) -> list[Registration]:
        """Return the live registrations of some services, or of all."""


class ResourceStore(Protocol):
    """Who serves which resource."""

    async def claim(self, resource: str, service: str, claim: Claim) -> str:
        """Claim a resource for an instance, and return the service that has it now."""

    async def release(self, resource: str, claim: Claim) -> bool:
        """Take a claim back, and tell whether it was there."""

    async def hand_over(self, resource: str, service: str, heir: str) -> str:
        """Let another service claim a resource, and return the one that has it."""

    async def owners(self, resource: str) -> Ownership:
        """Return who serves a resource."""


class ShareStore(Protocol):
    """What hubs say of their part in calls."""

    async def put(self, share: Share) -> bool:
        """Write the share of a hub, and tell whether the one before was still there."""

    async def remove(self, hub: str) -> None:
        """Delete the share of a hub."""

    async def list(self) -> list[Share]:
        """Return the shares of the hubs that run."""


class GroupStateStore(Protocol):
    """How groups are doing."""

    async def list(self) -> list[GroupState]:
        """Return all groups."""


class DeclarationStore(Protocol):
    """What services have declared of their events."""

    async def put(self, declared: Sequence[DeclaredEvent]) -> None:
        """Write what a service has declared."""

    async def keep(self, services: Sequence[str]) -> None:
        """Keep what services have declared for longer."""

    async def add_drift(self, service: str, found: Mapping[str, Drift]) -> None:
        """Add what was found out of events to what is known of them."""

    async def list(self, only: str | None = None) -> list[DeclaredEvent]:
        """Return what is declared, by service and event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """All that a hub keeps outside its process."""

    eventlog: LogStore
    groups: GroupStore
    dead_letters: DeadLetterStore
    ledger: LedgerStore
    registry: RegistryStore
    resources: ResourceStore
    shares: ShareStore
    group_states: GroupStateStore
    statistics: StatisticsStore
    declarations: DeclarationStore
    operations: Operations
