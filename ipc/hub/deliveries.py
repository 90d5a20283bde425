"""Durable groups at one hub: joining them, and what members answer to their deliveries."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ipc.hub.group import Delivery, GroupMembers
from ipc.hub.session import Session
from ipc.hub.stores import DeadLetterStore, GroupStore
from ipc.hub.tasks import OwnedTasks
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.protocol.messages import Ack, Nack, Ok, Progress, Subscribe
from ipc.protocol.positions import START
from ipc.protocol.retry import check_credit, check_group, retry_policy
from ipc.protocol.routing import logs_of_group, logs_of_service, own_log

if TYPE_CHECKING:
    from ipc.hub.hub import Hub

logger = logging.getLogger(__name__)

MAX_GROUPS_PER_SESSION = 32
MAX_REASON = 1_000
MAX_TRACEBACK = 8_000


class Deliveries:
    """The groups that this hub serves, by service and name."""

    def __init__(self, hub: "Hub", groups: GroupStore, dead_letters: DeadLetterStore) -> None:
        self._hub = hub
        self._store = groups
        self._dead_letters = dead_letters
        self._groups: dict[tuple[str, str], GroupMembers] = {}
        self._deliveries: dict[str, Delivery] = {}
        self._released = asyncio.Event()
        self._tasks = OwnedTasks(f"groups of hub {hub.id}")

    async def subscribe(self, session: Session, message: Subscribe, since: Mapping[str, str]) -> None:
        """Make a session a member of a group, which is created if it does not exist.

        Raises:
            BadMessageError: the group's name, the credit or the retry policy is wrong, or there are too many groups.
            UnavailableError: Redis is out of reach.

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
        feeds = [await self._hub.follow(log) for log in logs_of_service(session.service)]
        for feed in feeds:
            await self._store.create(feed.log, f"{session.service}/{name}", after=since.get(feed.log, "$"))
        # What was redriven while no member was here is in the group's own log; nothing else ever is.
        await self._store.create(own_log(session.service, name), f"{session.service}/{name}", after=START)
        if session.is_closed:
            return
        group = self._group(session.service, name)
        for feed in feeds:
            feed.watchers[group] = None
        session.answer(Ok(id=message.id))
        group.join(session, credit, message.events, policy)

    async def unsubscribe(self, session: Session, name: str, *, forget: bool) -> None:
        """Take a session out of a group, or delete the group with all that is pending in it.

        Raises:
            BadMessageError: the group's name is wrong, or it is to be forgotten while it has other members here.
            UnavailableError: Redis is out of reach.

        """
        key = (session.service, check_group(name))
        group = self._groups.get(key)
        if group is not None:
            group.retire(session)
        if forget:
            if group is not None and group.members:
                raise BadMessageError(f"the group {name} has other members; it is forgotten when they have left")
            for log in logs_of_group(session.service, name):
                await self._store.destroy(log, f"{session.service}/{name}")

    def acknowledge(self, session: Session, message: Ack) -> None:
        """Take note of what a member has done.

        Raises:
            BadMessageError: UNKNOWN_DELIVERY for those that the session does not hold; the others count.

        """
        unknown = []
        for delivery_id in message.deliveries:
            delivery = self._held(session, delivery_id)
            if delivery is None:
                unknown.append(delivery_id)
            else:
                delivery.group.acknowledge(delivery)
        self._released.set()
        _refuse(unknown)

    def fail(self, session: Session, message: Nack) -> None:
        """Take note of what a member could not do.

        Raises:
            BadMessageError: UNKNOWN_DELIVERY for those that the session does not hold; the others count.

        """
        unknown = []
        for delivery_id in message.deliveries:
            delivery = self._held(session, delivery_id)
            if delivery is None:
                unknown.append(delivery_id)
            else:
                delivery.group.fail(
                    delivery,
                    message.reason[:MAX_REASON],
                    (message.traceback or "")[-MAX_TRACEBACK:],
                    retry_in_ms=message.retry_in_ms,
                    is_final=message.reject,
                )
        self._released.set()
        _refuse(unknown)

    def extend(self, session: Session, message: Progress) -> None:
        """Give deliveries their full time again.

        Raises:
            BadMessageError: UNKNOWN_DELIVERY for those that the session does not hold; the others count.

        """
        unknown = []
        for delivery_id in message.deliveries:
            delivery = self._held(session, delivery_id)
            if delivery is None:
                unknown.append(delivery_id)
            else:
                delivery.group.extend(delivery)
        _refuse(unknown)

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
        await self._tasks.close()
        for group in self._groups.values():
            try:
                await group.close()
            except IPCError as error:
                logger.warning("acknowledgements of %s were not written, so it delivers again: %s", group.name, error)

    def _group(self, service: str, name: str) -> GroupMembers:
        group = self._groups.get((service, name))
        if group is None:
            group = self._groups[service, name] = GroupMembers(
                service,
                name,
                hub_id=self._hub.id,
                groups=self._store,
                dead_letters=self._dead_letters,
                clock=self._hub.clock,
                counters=self._hub.counters,
                deliveries=self._deliveries,
            )
            self._tasks.start(group.run(), f"group {service}/{name}")
        return group

    def _held(self, session: Session, delivery_id: str) -> Delivery | None:
        delivery = self._deliveries.get(delivery_id)
        return delivery if delivery is not None and delivery.session is session else None


def _refuse(unknown: Iterable[str]) -> None:
    if names := list(unknown):
        raise BadMessageError(
            f"this session does not hold {', '.join(names[:5])}: acknowledged already, expired, or another's",
            code=ErrorCode.UNKNOWN_DELIVERY,
            details={"deliveries": names},
        )
