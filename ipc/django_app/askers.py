"""Who makes a plain Django request: a person, by the authenticators of DRF, or the development machine itself."""

from typing import Final, cast

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.settings import api_settings

from ipc.django_app.bypass import is_bypass_on, problem_of
from ipc.django_app.identity import Identity
from ipc.protocol.errors import ForbiddenError, UnauthenticatedError

OPERATOR_ROLES: Final = frozenset({"staff", "admin"})


class _Unread(BaseParser):
    """Takes every body and reads none: the view will, and the CSRF token of a program is in a header."""

    media_type = "*/*"

    def parse(self, *_: object, **__: object) -> dict[str, str]:
        return {}


def person_of(request: HttpRequest) -> Identity | None:
    """Return who makes a request, or None where nobody has proved anything; blocking, since a session is in a database.

    Raises:
        ForbiddenError: a session without its CSRF token.
        UnauthenticatedError: a proof that is none.

    """
    kinds = cast("list[type[BaseAuthentication]]", api_settings.DEFAULT_AUTHENTICATION_CLASSES)
    asking = Request(request, parsers=[_Unread()], authenticators=[kind() for kind in kinds])
    try:
        user: object = asking.user
    except AuthenticationFailed as error:
        raise UnauthenticatedError(str(error.detail)) from error
    except APIException as error:
        raise ForbiddenError(str(error.detail)) from error
    return user if isinstance(user, Identity) else None


def is_operator(person: Identity) -> bool:
    """Tell whether a person may operate the mesh: Django's staff, who has such a role, and the development user.

    Every session has the permissions on posts, so those say nothing here.
    """
    return person.is_dev_bypass or "*" in person.permissions or not OPERATOR_ROLES.isdisjoint(person.roles)


def is_development_machine(request: HttpRequest) -> bool:
    """Tell whether a request comes from the development machine that this is, and through no proxy."""
    return is_bypass_on() and problem_of(request.META.get("REMOTE_ADDR") or "", request.headers) is None
