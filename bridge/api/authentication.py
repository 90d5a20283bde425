"""Who asks over HTTP: a service by its broker token, or a person by whatever proves people.

Who shows a token is held to it, also where a session or the development bypass would do without. A token of the CA is
none here: what it permits somebody to do to posts is no right over the mesh.
"""

import logging
from dataclasses import dataclass
from typing import Final, cast

from asgiref.sync import async_to_sync
from channels.db import database_sync_to_async
from django.db import OperationalError
from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.settings import api_settings

from bridge.handshake import RefusedError, check_address, identity_from_token
from bridge.roles import SEES_ERRORS
from ipc.django_app.askers import is_operator, person_of
from ipc.django_app.audit_trail import operator_name
from ipc.django_app.http import CHALLENGE
from ipc.django_app.identity import Identity as Person
from ipc.django_app.middleware import identity_of
from ipc.hub.session import Identity
from ipc.protocol.errors import UnavailableError
from ipc.protocol.signed_tokens import bearer_of

logger = logging.getLogger(__name__)

EVERYTHING: Final = frozenset({"*"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who makes a request, named as the audit trail does, and what they may do; ``token`` is who a broker token says
    it is, for a service.

    Operators have the permission ``*``; somebody who is none, and no service, has none. What an operator who is logged
    in may do is bounded by the permissions of the admin, too.
    """

    name: str
    permissions: frozenset[str]
    token: Identity | None = None
    is_dev_bypass: bool = False
    admin_permissions: frozenset[str] = frozenset()

    @property
    def service(self) -> str | None:
        """The service whose token was shown."""
        return self.token.service if self.token is not None else None

    @property
    def is_logged_in(self) -> bool:
        """Whether this is somebody with a session of the admin."""
        return self.token is None and not self.is_dev_bypass

    @property
    def sees_errors(self) -> bool:
        """Whether what handlers and operations say when they fail is shown: it may be of what they were given."""
        return not self.is_logged_in or SEES_ERRORS in self.admin_permissions

    @property
    def may_do_everything(self) -> bool:
        """Whether this is an operator, or a service with the permission ``*``."""
        return "*" in self.permissions


async def asker_of(request: HttpRequest) -> Asker | None:
    """Return who makes a plain request, or None where nobody has proved anything; for views in the event loop.

    Raises:
        UnauthenticatedError: what was shown proves nothing, with the code of what is wrong, or is in the address.
        ForbiddenError: a session without its CSRF token.
        UnavailableError: nobody can tell right now.

    """
    refuse_token_in_address(request)
    token = broker_token_of(request)
    if token is not None:
        return await _service(token, by=address_of(request))
    # What the middleware has found needs no database; a session does, and that blocks.
    is_found = identity_of(request) is not None
    try:
        person = person_of(request) if is_found else await database_sync_to_async(person_of)(request)
    except OperationalError as error:
        logger.error("the database cannot be used: %s", error)  # noqa: TRY400 - foreseen, no traceback
        raise UnavailableError("the database cannot be used right now, try again") from error
    return None if person is None else _asker(person)


class BrokerTokenAuthentication(BaseAuthentication):
    """The same for DRF views: makes ``request.auth`` an `Asker` where a broker token was shown."""

    def authenticate(self, request: Request) -> tuple[Person, Asker] | None:
        """Return the service, or None where another authenticator has to find out who asks.

        Raises:
            UnauthenticatedError: as `asker_of` raises it.
            UnavailableError: as `asker_of` raises it.

        """
        refuse_token_in_address(request._request)
        token = broker_token_of(request._request)
        if token is None:
            return None
        # A view of DRF runs in a thread; the hub is in the event loop of the server.
        asker = async_to_sync(_service)(token, by=address_of(request._request))
        return Person(user_id=asker.name, permissions=asker.permissions), asker

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - the signature is DRF's
        """Return the challenge that a 401 must carry (RFC 9110 section 15.5.2)."""
        return CHALLENGE


AUTHENTICATION: Final[list[type[BaseAuthentication]]] = [
    BrokerTokenAuthentication,
    *cast("list[type[BaseAuthentication]]", api_settings.DEFAULT_AUTHENTICATION_CLASSES),
]
"""What the views of the bridge take: broker tokens, and what proves people everywhere."""


def asker_in(request: Request) -> Asker | None:
    """Return who makes a request of DRF that has been authenticated, or None where nobody has proved anything."""
    if isinstance(request.auth, Asker):
        return request.auth
    user: object = request.user
    return _asker(user) if isinstance(user, Person) else None


def broker_token_of(request: HttpRequest) -> str | None:
    """Return the text after ``Bearer``, whatever it is, or None where there is no such header."""
    return bearer_of(request.headers.get("Authorization", ""))


def address_of(request: HttpRequest) -> str:
    """Return the address that a request comes from, as the audit trail and the log name those of sockets."""
    return str(request.META.get("REMOTE_ADDR") or "unknown")


def refuse_token_in_address(request: HttpRequest) -> None:
    """Refuse a token in an address, as on sockets.

    Raises:
        UnauthenticatedError: there is one.

    """
    try:
        check_address(request.META.get("QUERY_STRING", "").encode("latin-1", "replace"))
    except RefusedError as refused:
        raise refused.error from None


async def _service(token: str, *, by: str) -> Asker:
    try:
        identity = await identity_from_token(token, by=by)
    except RefusedError as refused:
        raise refused.error from None
    return Asker(name=f"{identity.service}, by its token", permissions=identity.permissions, token=identity)


def _asker(person: Person) -> Asker:
    return Asker(
        name=operator_name(person.user_id),
        permissions=EVERYTHING if is_operator(person) else frozenset(),
        is_dev_bypass=person.is_dev_bypass,
        admin_permissions=person.admin_permissions,
    )
