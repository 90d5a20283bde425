"""What a session may decide about a durable group, which it shares with others of its service whose tokens may permit
more: a token that permits to hear little takes nothing away from them.
"""

from collections.abc import Sequence

from ipc.hub.session import Identity, Session
from ipc.hub.stores import GroupStore, LedgerStore
from ipc.protocol.delivery_status import DEFINITION_SLACK_MS, Definition
from ipc.protocol.errors import ForbiddenError
from ipc.protocol.permissions import is_allowed

EVERYTHING = ("*",)


class GroupRights:
    """Who may join a group that is at work, and who may delete one.

    Args:
        groups: knows which groups there are, and which of them are at work.
        ledger: knows what they hear.

    """

    def __init__(self, groups: GroupStore, ledger: LedgerStore) -> None:
        self._groups = groups
        self._ledger = ledger

    async def check_may_join(self, session: Session, group: str) -> None:
        """Refuse a session that would take from a group what it may not hear itself.

        What the latest member hears, its hub takes for the whole group, and all else is acknowledged unheard. That
        counts while anybody is a member: once nobody is, a service may begin anew with fewer permissions.

        Raises:
            ForbiddenError: members of the group hear what the session may not.
            UnavailableError: Redis is out of reach.

        """
        if may_hear(session.identity, "*") or not await self._groups.served_by(session.service, group):
            return
        await self._check(session, group, known=())

    async def check_may_forget(self, session: Session, group: str) -> None:
        """Refuse a session that may not hear all that the group hears, or did last.

        Raises:
            ForbiddenError: it may not; for a group of which nobody knows that, it has to be everything.
            UnavailableError: Redis is out of reach.

        """
        if may_hear(session.identity, "*") or not await self._exists(session.service, group):
            return
        await self._check(session, group, known=EVERYTHING)

    async def _check(self, session: Session, group: str, *, known: tuple[str, ...]) -> None:
        (definitions,) = await self._ledger.definitions([f"{session.service}/{group}"])
        patterns = {pattern for each in current(definitions) for pattern in each.events} or known
        for pattern in sorted(patterns):
            if not may_hear(session.identity, pattern):
                raise ForbiddenError(
                    f"the group {group} hears {pattern}, and this session lacks the permission subscribe:{pattern}",
                    details={"needed": f"subscribe:{pattern}"},
                )

    async def _exists(self, service: str, group: str) -> bool:
        return f"{service}/{group}" in await self._groups.names(service)


def may_hear(identity: Identity, event: str) -> bool:
    """Tell whether somebody may hear the events of a name, or of a pattern."""
    return is_allowed(identity.permissions, "subscribe", event)


def current(definitions: Sequence[Definition]) -> list[Definition]:
    """Return those that count: a hub repeats every few seconds what its group wants; when all have gone, what the last
    one has said.
    """
    newest_ms = max((definition.last_ms for definition in definitions), default=0)
    return [each for each in sorted(definitions) if each.last_ms > newest_ms - DEFINITION_SLACK_MS]
