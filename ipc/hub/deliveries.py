"""Durable groups at one hub: joining them, and what members answer to their deliveries."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from msgspec import UNSET

from ipc.hub.delivery import Delivery
from ipc.hub.feed import LogFeed
from ipc.hub.group import GroupMembers
from ipc.hub.group_rights import GroupRights
from ipc.hub.group_task import GroupTask
from ipc.hub.session import Session
from ipc.hub.stores import DeadLetterStore, GroupStore, LedgerStore
from ipc.hub.tasks import OwnedTasks
from ipc.hub.terms import Terms
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError, UnavailableError
from ipc.protocol.messages import Ack, Nack, Ok, Progress, Subscribe
from ipc.protocol.positions import START
from ipc.protocol.retry import check_credit, check_group, retry_policy
from ipc.protocol.routing import logs_of_group, logs_of_service, own_log
from ipc.stores.eventlog import Gap

if TYPE_CHECKING:
    from ipc.hub.hub import Hub

logger = logging.getLogger(__name__)

MAX_GROUPS_PER_SESSION = 32
MAX_REASON = 1_000
MAX_TRACEBACK = 8_000


class _AtWork(NamedTuple):
    work: GroupTask
    task: "asyncio.Task[None]"


class Deliveries:
    """The groups that this hub serves, by service and name."""

    def __init__(self, hub: "Hub", groups: GroupStore, dead_letters: DeadLetterStore, ledger: LedgerStore) -> None:
        self._hub = hub
        self._ledger = ledger
        self._store = groups
        self._rights = GroupRights(groups, ledger)
        self._dead_letters = dead_letters
        self._groups: dict[tuple[str, str], GroupMembers] = {}
        self._at_work: dict[GroupMembers, _AtWork] = {}
        self._forgetting: set[tuple[str, str]] = set()
        self._creating = asyncio.Lock()
        self._deliveries: dict[str, Delivery] = {}
        self._released = asyncio.Event()
        self._tasks = OwnedTasks(f"groups of hub {hub.id}")

    async def subscribe(self, session: Session, message: Subscribe, since: Mapping[str, str], terms: Terms) -> None:
        """Make a session a member of a group, which is created if it does not exist.

        Raises:
            BadMessageError: the group's name, the credit or the retry policy is wrong, or there are too many groups.
            ForbiddenError: the group hears what the session may not.
            UnavailableError: Redis is out of reach, or the group is being forgotten.

        """
        name = check_group(message.group or "")
        credit = check_credit(message.credit)
        policy = retry_policy(message.retry)
        of_session = [group for group in self._groups.values() if session in group.members and group.name != name]
        if len(of_session) >= MAX_GROUPS_PER_SESSION:
            raise BadMessageError(
                f"a session is a member of at most {MAX_GROUPS_PER_SESSION} groups",
                code=ErrorCode.TOO_MANY_SUBSCRIPTIONS,
            )
        key = (session.service, name)
        if key in self._forgetting:
            raise UnavailableError(f"the group {name} is being forgotten; subscribe again for a new one")
        await self._rights.check_may_join(session, name)
        feeds = [await self._hub.logs.follow(log) for log in logs_of_service(session.service)]
        async with self._within_cap(session.service, f"{session.service}/{name}"):
            reasons = await self._create(f"{session.service}/{name}", feeds, since)
        await self._ledger.define(
            f"{session.service}/{name}",
            message.events,
            policy.max_attempts,
            where=terms.where_json,
            select=terms.select_json,
        )
        # What was redriven while no member was here is in the group's own log; nothing else ever is.
        await self._store.create(own_log(session.service, name), f"{session.service}/{name}", after=START)
        if session.is_closed or key in self._forgetting:
            raise UnavailableError(f"the group {name} was forgotten, or this session closed, before it had joined")
        group = self._group(session.service, name, feeds)
        session.answer(Ok(id=message.id, recovered=not reasons if since else UNSET, reasons=dict(reasons) or UNSET))
        group.join(session, credit, message.events, policy, once=message.once, terms=terms)

    async def unsubscribe(self, session: Session, name: str, *, forget: bool) -> None:
        """Take a session out of a group, or delete the group with all that is pending in it.

        Raises:
            BadMessageError: the group's name is wrong, or it is to be forgotten while it has other members.
            ForbiddenError: it is to be forgotten, and hears what the session may not.
            UnavailableError: Redis is out of reach.

        """
        key = (session.service, check_group(name))
        group = self._groups.get(key)
        if forget:
            await self._forget(session, key)
        elif group is not None:
            group.retire(session)

    def acknowledge(self, session: Session, message: Ack) -> None:
        """Take note of what a member has done.

        Raises:
            BadMessageError: UNKNOWN_DELIVERY for those that the session does not hold; the others count.

        """
        self._each_held(session, message.deliveries, lambda delivery: delivery.group.acknowledge(delivery))

    def fail(self, session: Session, message: Nack) -> None:
        """Take note of what a member could not do.

        Raises:
            BadMessageError: UNKNOWN_DELIVERY for those that the session does not hold; the others count.

        """
        reason, traceback = message.reason[:MAX_REASON], (message.traceback or "")[-MAX_TRACEBACK:]
        self._each_held(
            session,
            message.deliveries,
            lambda delivery: delivery.group.fail(
                delivery, reason, traceback, retry_in_ms=message.retry_in_ms, is_final=message.reject
            ),
        )

    def extend(self, session: Session, message: Progress) -> None:
        """Give deliveries their full time again.

        Raises:
            BadMessageError: UNKNOWN_DELIVERY for those that the session does not hold; the others count.

        """
        self._each_held(session, message.deliveries, lambda delivery: delivery.group.extend(delivery))

    def groups_of(self, session: Session) -> dict[str, GroupMembers]:
        """Return the groups that a session is a member of, by name."""
        return {group.name: group for group in self._groups.values() if session in group.members}

    async def look_into_own_logs(self) -> None:
        """Wake the groups whose own logs have something: what is redriven or replayed is pushed to nobody."""
        groups = {own_log(group.service, group.name): group for group in self._groups.values()}
        if not groups:
            return
        with suppress(IPCError):
            for log, length in zip(groups, await self._hub.eventlog.lengths(list(groups)), strict=True):
                if length:
                    groups[log].wake(log)

    async def answered(self) -> None:
        """Wait until members have answered all that they hold."""
        while self._deliveries:
            self._released.clear()
            await self._released.wait()

    def retire_all(self) -> None:
        """Hand out nothing more; what members hold they may still answer."""
        for group in self._groups.values():
            for session in list(group.members):
                group.retire(session)

    def leave(self, session: Session) -> None:
        """Take a session out of all groups, because its connection is gone."""
        for group in self._groups.values():
            if session in group.members:
                group.leave(session)
        self._released.set()

    async def stop(self) -> None:
        """Write what was acknowledged, and leave everything else to other hubs."""
        at_work = list(self._at_work.values())
        await self._tasks.close()
        await asyncio.gather(*(self._close(group.work) for group in at_work))

    async def _close(self, work: GroupTask) -> None:
        try:
            await work.close()
        except IPCError as error:
            logger.warning("acknowledgements of %s were not written, so it delivers again: %s", work.name, error)

    @asynccontextmanager
    async def _within_cap(self, service: str, name: str) -> AsyncIterator[None]:
        """Let a group be created, unless its service has as many as it may; two hubs at once may make one too many."""
        if name in await self._store.names(service):
            yield
            return
        most = self._hub.limits.groups_per_service
        async with self._creating:
            others = await self._store.names(service) - {name}
            if len(others) >= most:
                raise BadMessageError(
                    f"{service} has {len(others)} groups, and may have {most} (IPC_MAX_GROUPS): forget one first",
                    code=ErrorCode.TOO_MANY_SUBSCRIPTIONS,
                    details={"limit": most},
                )
            yield

    async def _create(self, name: str, feeds: Iterable[LogFeed], since: Mapping[str, str]) -> dict[str, Gap]:
        """Create a group where it does not exist, and return for which logs it cannot begin where it should.

        A log that was trimmed after that position begins with the oldest event that is left, one that never had the
        position begins at its end.
        """
        reasons: dict[str, Gap] = {}
        for feed in feeds:
            after = since.get(feed.log, "$")
            if feed.log in since and not await self._store.exists(feed.log, name):
                gap = await feed.gap_after(after)
                if gap is not None:
                    reasons[feed.log] = gap
                    after = START if gap == "trimmed" else "$"
            # The end of a log that this hub knows of may be before the one that Redis takes, never after it.
            begins = feed.cursor if after == "$" else after
            if await self._store.create(feed.log, name, after=after):
                await self._ledger.began(name, feed.log, begins)
        return reasons

    async def _forget(self, session: Session, key: tuple[str, str]) -> None:
        """Delete a group that has no members besides the one that asks for it, here or at another hub."""
        service, name = key
        await self._rights.check_may_forget(session, name)
        others = await self._store.served_by(service, name) - {self._hub.id}
        group = self._groups.get(key)
        if others or (group is not None and group.members.keys() - {session}):
            raise BadMessageError(
                f"the group {name} has other members, or had until a moment ago; forget it when they have left"
            )
        self._forgetting.add(key)
        try:
            if group is not None:
                group.leave(session)
                task = self._at_work[group].task
                task.cancel()
                await asyncio.wait([task])
            await self._store.stop_serving(service, name, self._hub.id)
            for log in logs_of_group(service, name):
                await self._store.destroy(log, f"{service}/{name}")
            await self._ledger.forget(f"{service}/{name}")
        finally:
            self._forgetting.discard(key)

    def _group(self, service: str, name: str, feeds: Sequence[LogFeed]) -> GroupMembers:
        group = self._groups.get((service, name))
        if group is None:
            clock, counters = self._hub.clock, self._hub.counters
            group = GroupMembers(service, name, clock=clock, counters=counters, deliveries=self._deliveries)
            work = GroupTask(
                group,
                hub_id=self._hub.id,
                groups=self._store,
                dead_letters=self._dead_letters,
                ledger=self._ledger,
                clock=clock,
                counters=counters,
                loop_time=self._hub.loop_time,
            )
            for feed in feeds:
                feed.watchers[group] = None
            self._groups[service, name] = group
            task = self._tasks.start(self._run(group, work, feeds), f"group {service}/{name}")
            self._at_work[group] = _AtWork(work, task)
        return group

    async def _run(self, group: GroupMembers, work: GroupTask, feeds: Sequence[LogFeed]) -> None:
        try:
            await work.run()
        finally:
            # Nothing is awaited between the last look for members and here, so nobody has joined.
            del self._groups[group.service, group.name], self._at_work[group]
            for feed in feeds:
                feed.watchers.pop(group, None)

    def _each_held(self, session: Session, delivery_ids: Iterable[str], do: Callable[[Delivery], None]) -> None:
        unknown = []
        for delivery_id in delivery_ids:
            delivery = self._deliveries.get(delivery_id)
            if delivery is None or delivery.session is not session:
                unknown.append(delivery_id)
            else:
                do(delivery)
        self._released.set()
        if unknown:
            raise BadMessageError(
                f"this session does not hold {', '.join(unknown[:5])}: acknowledged already, expired, or another's",
                code=ErrorCode.UNKNOWN_DELIVERY,
                details={"deliveries": unknown},
            )
