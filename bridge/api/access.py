"""Who may use which address of the bridge: the one table, and the one decision. Its page is docs/reference/http-api.md.

What a service may do at an address that it may use, such as which events it may emit, is decided by the same functions
as on its socket.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.http import HttpRequest

from bridge.api.authentication import Asker
from ipc.django_app.askers import is_development_machine
from ipc.django_app.http import who_asks
from ipc.protocol.errors import ForbiddenError, UnauthenticatedError
from ipc.protocol.permissions import Verb, check_permission
from ipc.protocol.services import full_name


class Who(StrEnum):
    """Who may use an address, in the words of its page."""

    KNOWN = "services and operators; on a development machine, the machine itself"
    SERVICES = "services and operators"
    OPERATORS = "operators"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may use an address, and the permissions that a service and a member of staff need for it."""

    who: Who
    verb: Verb | None = None
    name: str = ""
    staff: str = "bridge.view_mesh"

    @property
    def permission(self) -> str:
        """The permission as a token has it, or nothing."""
        return "" if self.verb is None else f"{self.verb}:{self.name}" if self.name else self.verb


SPEAK: Final = "bridge.emit_event"
ACCESS: Final = {
    "stats": Rule(Who.KNOWN),
    "service-list": Rule(Who.KNOWN),
    "asyncapi": Rule(Who.KNOWN),
    "explain": Rule(Who.SERVICES),
    "jsonlex": Rule(Who.SERVICES, "jsonlex"),
    "emit": Rule(Who.SERVICES, staff=SPEAK),
    "call": Rule(Who.SERVICES, staff=SPEAK),
    "positions": Rule(Who.SERVICES),
    "group-list": Rule(Who.SERVICES),
    "event": Rule(Who.SERVICES, staff="bridge.view_event"),
    # A letter has an event with its data, whatever that is: who reads it could have subscribed to anything.
    "dead-letter-list": Rule(Who.SERVICES, "subscribe", "*", staff="bridge.view_event"),
    "dead-letter-redrive": Rule(Who.SERVICES, "subscribe", "*", staff="bridge.redrive_deadletter"),
    "dead-letter-discard": Rule(Who.SERVICES, "subscribe", "*", staff="bridge.discard_deadletter"),
    "dead-letter": Rule(Who.SERVICES, "subscribe", "*", staff="bridge.view_event"),
    # Posting an assertion to the first of them is a proof of its own.
    "token-list": Rule(Who.OPERATORS, staff="bridge.view_token"),
    "operation-list": Rule(Who.OPERATORS),
    "operation-cancel": Rule(Who.OPERATORS, staff="bridge.cancel_operation"),
    "token-revoke": Rule(Who.OPERATORS, staff="bridge.revoke_token"),
    "token": Rule(Who.OPERATORS, staff="bridge.revoke_token"),
}
"""The rule of each address, by the name of its route. ``/health`` has none: it tells strangers less."""

MACHINE: Final = Asker(name="this machine", permissions=frozenset(), is_dev_bypass=True)


def admitted(request: HttpRequest, asker: Asker | None) -> Asker:
    """Return who asks, if they may use the address.

    Raises:
        UnauthenticatedError: nobody has proved anything.
        ForbiddenError: they may not.

    """
    rule = ACCESS[_name_of(request)]
    if asker is not None and (asker.may_do_everything or (asker.service and rule.who is not Who.OPERATORS)):
        if rule.verb is not None:
            check_permission(asker.permissions, rule.verb, rule.name)
        if asker.is_logged_in and rule.staff not in asker.admin_permissions:
            raise ForbiddenError(f"this needs the permission {rule.staff} of the admin", details={"needed": rule.staff})
        return asker
    if rule.who is Who.KNOWN and is_development_machine(request):
        return MACHINE
    if asker is None:
        raise UnauthenticatedError(who_asks())
    raise ForbiddenError(f"this is for {rule.who}: log in to the admin as a member of staff, or show a token with *")


def whose(asker: Asker, named: str | None) -> str | None:
    """Return the service, by its full name, that a request is about; None for all of them.

    Raises:
        ForbiddenError: a service that may not do everything names another.
        UnknownServiceError: there is no such service.

    """
    name = full_name(named) if named else None
    if asker.may_do_everything:
        return name
    if name not in {None, asker.service}:
        raise ForbiddenError(f"the token is {asker.service}'s, not {name}'s", details={"needed": "*"})
    return asker.service


def _name_of(request: HttpRequest) -> str:
    match = request.resolver_match
    return (match.url_name or "") if match is not None else ""
