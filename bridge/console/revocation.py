"""What revoking tokens would hit: sessions, the calls that they are at work on, and the deliveries that they hold."""

from typing import Any, NamedTuple

from django.http import HttpRequest

from bridge.console.action import ConsoleAction, Done
from ipc.django_app.runtime import running_hub
from ipc.hub.hub import Hub
from ipc.protocol.errors import BadMessageError
from ipc.protocol.moments import written_ms
from ipc.protocol.services import full_name
from ipc.stores.registry import Registration


class Hit(NamedTuple):
    """A session that would be closed, with the calls in flight at it.

    ``deliveries`` is None where the session is at another hub, whose members only that one knows.
    """

    session: Registration
    calls: int
    deliveries: int | None
    groups: list[str]


async def hits(hub: Hub, token_id: str, service: str, before_s: float) -> list[Hit]:
    """Return the sessions that a token, or the tokens of a service that were made before a time, have let in.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    await hub.described()
    found = [each for each in await hub.registry.list() if _is_hit(each, token_id, service, before_s)]
    if not found:
        return []
    known = await hub.services()
    calls: dict[str, int] = {}
    for owner in (owner for each in known.services for owner in each.owners):
        calls[owner.instance] = calls.get(owner.instance, 0) + owner.in_flight
    return [
        Hit(
            session=each,
            calls=calls.get(each.instance, 0),
            deliveries=_held(hub, each.session),
            groups=sorted({hearing.group for hearing in each.hears if hearing.group}),
        )
        for each in found
    ]


class RevokeTokens(ConsoleAction):
    """Revoke a token, or those of a service up to a time; the manager of tokens writes it down."""

    permission = "bridge.revoke_token"
    action = "token.revoke"
    back = "admin:console_tokens"

    async def act(self, request: HttpRequest, *, by: str, **where: Any) -> Done:  # noqa: ARG002 - no parts
        """Do it, and tell all hubs."""
        proofs = running_hub().proofs
        token_id, service, before = (request.POST.get(name, "") for name in ("id", "service", "before_ms"))
        if token_id:
            await proofs.revoke(token_id, by=by)
            return Done(f"the token {token_id} is revoked", token_id, is_written=True)
        if not service:
            raise BadMessageError("say which token, or the tokens of which service")
        before_ms = written_ms(before)
        if before and before_ms is None:
            raise BadMessageError(f"{before[:64]!r} is no time in Unix milliseconds")
        name = full_name(service)
        await proofs.revoke_source(name, by=by, before_s=before_ms / 1000 if before_ms is not None else None)
        return Done(f"the tokens of {name} are revoked", name, is_written=True)


def _is_hit(each: Registration, token_id: str, service: str, before_s: float) -> bool:
    if not each.token:
        return False
    return each.token == token_id if token_id else each.service == service and each.token_issued_s <= before_s


def _held(hub: Hub, session_id: str) -> int | None:
    session = hub.sessions.get(session_id)
    if session is None:
        return None
    return sum(len(group.members[session].held) for group in hub.deliveries.groups_of(session).values())
