"""The twin of `ipc.stores.groups.Groups`, in memory."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ipc.protocol.codes import ErrorCode
from ipc.protocol.delivery_status import Note, Receipt
from ipc.protocol.positions import position_key
from ipc.protocol.routing import is_own_log
from ipc.stores.eventlog import Entry
from ipc.stores.group_replies import Claims, GroupMissingError, Pending, Serving
from ipc.stores.groups import NOBODY, REMEMBER_HANDLED_S, SERVING_TTL_S
from ipc.stores.ledger_record import Acked, place
from ipc.testing.streams import Streams


@dataclass(slots=True)
class _Given:
    consumer: str
    at_ms: int
    attempts: int


@dataclass(slots=True)
class _Group:
    """One group on one log: how far it is, and what was given out and not acknowledged."""

    delivered: str
    consumers: dict[str, None] = field(default_factory=dict)
    pending: dict[str, _Given] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What one group has to do on one log."""

    pending: int
    lag: int
    oldest_pending_ms: int | None


class MemoryGroups:
    """The groups of one test. ``name`` is ``<service>/<group>`` in all methods.

    Args:
        streams: hold the entries.
        now_ms: the date in Unix milliseconds.

    """

    def __init__(self, streams: Streams, now_ms: Callable[[], int]) -> None:
        self._streams = streams
        self._now_ms = now_ms
        self._groups: dict[tuple[str, str], _Group] = {}
        self._handled: dict[tuple[str, str], int] = {}
        self._serving: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        # What the ledger keeps, by group and place.
        self.notes: dict[tuple[str, str], Note] = {}
        self.receipts: dict[tuple[str, str], Receipt] = {}

    async def create(self, log: str, name: str, *, after: str = "$") -> bool:
        """Create the group on a log, to begin after a position or at the end, and tell whether it is new."""
        if (log, name) in self._groups:
            return False
        begin = self._streams[log].last if after == "$" else after
        self._groups[log, name] = _Group(begin if "-" in begin else f"{begin}-0")
        return True

    async def exists(self, log: str, name: str) -> bool:
        """Tell whether the group exists on a log."""
        return (log, name) in self._groups

    async def names(self, log: str) -> frozenset[str]:
        """Return the groups that exist on a log."""
        return frozenset(name for on, name in self._groups if on == log)

    async def destroy(self, log: str, name: str) -> None:
        """Delete the group on a log, with what is pending in it; its own log is deleted with it."""
        self._groups.pop((log, name), None)
        if is_own_log(log):
            self._streams.pop(log, None)

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
        """Remember what was handled, write into the ledger, acknowledge positions per log, and take new events.

        Raises:
            GroupMissingError: the group does not exist on one of the logs.

        """
        until_ms = self._now_ms() + REMEMBER_HANDLED_S * 1000
        self._handled.update({(name, key): until_ms for key in handled})
        for where in settled:
            self.notes.pop((name, where), None)
        for done in acked:
            receipt = Receipt(at_ms=self._now_ms(), instance=done.instance, attempt=done.attempt)
            self.receipts.update({(name, place(done.log, position)): receipt for position in done.positions})
        for log, positions in acks.items():
            self.acknowledge(log, name, positions)
        return [(log, entry) for log in logs for entry in self._take(log, name, consumer, count)]

    async def handled(self, name: str, handled: Sequence[str]) -> frozenset[str]:
        """Return which of some keys the group has handled within a day."""
        now_ms = self._now_ms()
        return frozenset(key for key in handled if self._handled.get((name, key), 0) > now_ms)

    async def claim(self, log: str, name: str, consumer: str, positions: Sequence[str], *, owner: str) -> Claims:
        """Take over entries that are pending at ``owner``, which counts as another delivery; never those of others.

        Raises:
            GroupMissingError: the group does not exist on the log.

        """
        group, claims = self._group(log, name), Claims([], [])
        for position in positions:
            given = group.pending.get(position)
            if given is None or given.consumer != owner:
                continue
            if (entry := self._streams[log].find(position)) is None:
                del group.pending[position]
                claims.trimmed.append(position)
                continue
            group.consumers[consumer] = None
            group.pending[position] = _Given(consumer, self._now_ms(), given.attempts + 1)
            claims.taken.append((entry, given.attempts + 1))
        return claims

    async def hand_over(self, log: str, name: str, consumer: str, positions: Sequence[str]) -> list[str]:
        """Leave entries that are pending at a consumer to nobody, and return those that were; it is no delivery.

        Raises:
            GroupMissingError: the group does not exist on the log.

        """
        group, left = self._group(log, name), []
        for position in positions:
            given = group.pending.get(position)
            if given is None or given.consumer != consumer:
                continue
            if self._streams[log].find(position) is None:
                del group.pending[position]
                continue
            group.consumers[NOBODY] = None
            group.pending[position] = _Given(NOBODY, self._now_ms(), given.attempts)
            left.append(position)
        return left

    async def pending(self, log: str, name: str, consumer: str, *, count: int = 100, after: str = "-") -> list[Pending]:
        """Return pending entries of one consumer, oldest first.

        Raises:
            GroupMissingError: the group does not exist on the log.

        """
        start = (-1, 0) if after == "-" else position_key(after)
        found = [
            Pending(position, consumer, self._now_ms() - given.at_ms, given.attempts)
            for position, given in self._group(log, name).pending.items()
            if given.consumer == consumer and position_key(position) > start
        ]
        return sorted(found, key=lambda pending: position_key(pending.position))[:count]

    async def consumers(self, log: str, name: str) -> dict[str, int]:
        """Return each consumer of the group on a log, with how many entries are pending at it.

        Raises:
            GroupMissingError: the group does not exist on the log.

        """
        group = self._group(log, name)
        counts = dict.fromkeys(group.consumers, 0)
        for given in group.pending.values():
            counts[given.consumer] += 1
        return counts

    async def remove_consumer(self, log: str, name: str, consumer: str) -> None:
        """Delete a consumer; one that something is pending at stays.

        Raises:
            GroupMissingError: the group does not exist on the log.

        """
        if not await self.pending(log, name, consumer, count=1):
            self._group(log, name).consumers.pop(consumer, None)

    async def serving(self, service: str, group: str, hub: str) -> Serving:
        """Say that a hub has members of the group, and return all hubs that have said so lately."""
        others = await self.served_by(service, group)
        self._serving[service, group][hub] = self._now_ms()
        return Serving(others | {hub}, hub in others)

    async def served_by(self, service: str, group: str) -> frozenset[str]:
        """Return the hubs that serve the group; one that has died counts until its word has run out."""
        oldest_ms = self._now_ms() - SERVING_TTL_S * 1000
        return frozenset(hub for hub, said_ms in self._serving[service, group].items() if said_ms > oldest_ms)

    async def stop_serving(self, service: str, group: str, hub: str) -> None:
        """Say that a hub has no members of the group any more, so that others take over what is pending at it."""
        self._serving[service, group].pop(hub, None)

    def acknowledge(self, log: str, name: str, positions: Sequence[str]) -> None:
        """Forget that entries are pending; one that is not is passed over, and so is a group that is not there."""
        if (group := self._groups.get((log, name))) is not None:
            for position in positions:
                group.pending.pop(position, None)
        if is_own_log(log):
            self._streams[log].delete(positions)

    def on_log(self, log: str) -> list[str]:
        """Return the names of the groups on a log."""
        return sorted(name for at, name in self._groups if at == log)

    def given(self, log: str, name: str, position: str) -> tuple[str, Pending | None]:
        """Return how far a group has read a log, and what is pending at a position."""
        group = self._group(log, name)
        given = group.pending.get(position)
        if given is None:
            return group.delivered, None
        return group.delivered, Pending(position, given.consumer, self._now_ms() - given.at_ms, given.attempts)

    def backlog(self, log: str, name: str) -> Backlog:
        """Return what a group has to do on a log, nothing where it does not exist."""
        group = self._groups.get((log, name))
        if group is None:
            return Backlog(0, 0, None)
        oldest = min((position_key(position)[0] for position in group.pending), default=None)
        return Backlog(
            pending=len(group.pending),
            lag=len(self._streams[log].between(group.delivered, "+", len(self._streams[log].keys))),
            oldest_pending_ms=None if oldest is None else max(0, self._now_ms() - oldest),
        )

    def forget_ledger(self, name: str) -> None:
        """Forget what the ledger keeps of a group."""
        self.notes = {key: note for key, note in self.notes.items() if key[0] != name}
        self.receipts = {key: receipt for key, receipt in self.receipts.items() if key[0] != name}

    def unfinished(self) -> list[tuple[str, str, int]]:
        """Return what is pending: the group's name, the event's, and how often it was given out."""
        return [
            (name, entry.event, given.attempts)
            for (log, name), group in self._groups.items()
            for position, given in group.pending.items()
            if (entry := self._streams[log].find(position)) is not None
        ]

    def _take(self, log: str, name: str, consumer: str, count: int) -> list[Entry]:
        group = self._group(log, name)
        group.consumers[consumer] = None
        entries = self._streams[log].between(group.delivered, "+", count)
        for entry in entries:
            group.pending[entry.position] = _Given(consumer, self._now_ms(), 1)
            group.delivered = entry.position
        return entries

    def _group(self, log: str, name: str) -> _Group:
        try:
            return self._groups[log, name]
        except KeyError:
            raise GroupMissingError(f"there is no group {name}", code=ErrorCode.UNAVAILABLE) from None
