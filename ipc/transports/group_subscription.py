"""A durable group as a worker is a member of it: what it asks the hub for, and where a new group begins."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ipc.protocol.errors import BadMessageError
from ipc.protocol.ids import new_ulid
from ipc.protocol.messages import Ok, Subscribe
from ipc.protocol.positions import START, check_position
from ipc.protocol.retry import check_credit, check_group, retry_policy
from ipc.protocol.routing import BROADCAST, logs_of_service
from ipc.protocol.services import full_name

Beginning = Mapping[str, str] | Literal["start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSubscription:
    """A durable group to be a member of, as ``subscribe`` takes it; ``since`` matters only to a group that is new."""

    group: str
    events: Sequence[str]
    credit: int
    retry: Mapping[str, Any] | None = None
    once: bool = False
    since: Mapping[str, str] | None = None
    where: Any = None
    select: Any = None

    def as_message(self) -> Subscribe:
        """Return how to ask for it, with an id of its own each time."""
        return Subscribe(
            id=new_ulid(),
            events=list(self.events),
            group=self.group,
            credit=self.credit,
            retry=dict(self.retry) if self.retry is not None else None,
            once=self.once,
            since=dict(self.since) if self.since is not None else None,
            where=self.where,
            select=self.select,
        )

    def missed(self, ok: Ok) -> dict[str, str]:
        """Return why a new group could not begin where it should, by log.

        Whoever wants all that a log has asks for nothing that is gone.
        """
        since = self.since or {}
        return {log: reason for log, reason in (ok.reasons or {}).items() if since.get(log) != START}


def group_subscription(
    service: str,
    group: str,
    events: Sequence[str],
    *,
    credit: int,
    retry: Mapping[str, Any] | None,
    once: bool,
    since: Beginning | None,
    where: Any,
    select: Any,
) -> GroupSubscription:
    """Return a group of a service (by full name) as a worker registers for it.

    Raises:
        BadMessageError: INVALID_GROUP, INVALID_POSITION, or a wrong credit, retry or since.
        UnknownServiceError: a log is named after no service.

    """
    check_credit(credit)
    retry_policy(retry)
    return GroupSubscription(
        group=check_group(group),
        events=events,
        credit=credit,
        retry=retry,
        once=once,
        since=beginning(service, since),
        where=where,
        select=select,
    )


def beginning(service: str, since: Beginning | None) -> dict[str, str] | None:
    """Return the positions after which a new group of a service (by full name) begins, by the full names of its logs.

    Raises:
        BadMessageError: the service does not hear such a log, or a position is none.
        UnknownServiceError: a log is named after no service.

    """
    logs = logs_of_service(service)
    if since is None:
        return None
    if since == "start":
        return dict.fromkeys(logs, START)
    if not isinstance(since, Mapping):
        raise BadMessageError(f"since is 'start', or a position for each log, not {str(since)[:80]!r}")
    found = {log if log == BROADCAST else full_name(log): check_position(position) for log, position in since.items()}
    if unknown := sorted(found.keys() - set(logs)):
        raise BadMessageError(f"since: {service} hears the logs {' and '.join(logs)}, not {', '.join(unknown)}")
    return found
