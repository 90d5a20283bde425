"""Who speaks when a request emits or calls: the one place where its service and its permissions are found out.

With a broker token, the service and the permissions are the token's. Without one, the request is an operator's, by the
rule of all this API; an operator may speak as any service of the catalogue, and is the bridge if none is named.
"""

import logging
from typing import Final

from channels.db import database_sync_to_async
from django.http import HttpRequest
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from bridge.api.operators import IsOperator
from bridge.handshake import RefusedError, identity_from_token
from ipc.django_app.audit_trail import operator_name, write_once_a_minute
from ipc.django_app.authentication import RequestIdentityAuthentication
from ipc.django_app.middleware import identity_of
from ipc.hub.session import Identity
from ipc.protocol.errors import BadMessageError, ForbiddenError, UnauthenticatedError
from ipc.protocol.services import full_name

logger = logging.getLogger(__name__)

PARAMETER: Final = "service"
HEADER: Final = "X-IPC-Service"
DEFAULT: Final = "bridge"
ALL: Final = frozenset({"*"})


async def speaker_of(request: HttpRequest, parameters: frozenset[str] = frozenset({PARAMETER})) -> Identity:
    """Return the service that a request speaks for, and what it may do.

    Args:
        request: what is asked.
        parameters: those that its address may have.

    Raises:
        UnauthenticatedError: nobody has proved anything.
        ForbiddenError: it is not an operator's, or names another service than its token.
        UnknownServiceError: it names a service that does not exist.
        BadMessageError: it names two services, or has another parameter.
        UnavailableError: Redis is out of reach, so it could not be written down that an operator speaks.

    """
    named = _named(request, parameters)
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return await _speaker_of_token(token.strip(), named)
    await _check_operator(request)
    service = full_name(named or DEFAULT)
    identity = identity_of(request)
    is_dev_bypass = identity is not None and identity.is_dev_bypass
    if not is_dev_bypass:
        by = operator_name(str(identity))
        logger.info("the %s speaks as %s at %s", by, service, request.path)
        await write_once_a_minute("operator.speaks", by=by, subject=service, details={"path": request.path})
    return Identity(service=service, permissions=ALL, is_dev_bypass=is_dev_bypass)


async def _speaker_of_token(token: str, named: str | None) -> Identity:
    try:
        speaker = await identity_from_token(token, by="HTTP")
    except RefusedError as refused:
        raise refused.error from None
    if named is not None and full_name(named) != speaker.service:
        raise ForbiddenError(f"the token is {speaker.service}'s, so the request is, too: it cannot be {named[:64]!r}'s")
    return speaker


async def _check_operator(request: HttpRequest) -> None:
    # What the middleware has found needs no database; a session does, and that blocks.
    if identity_of(request) is not None:
        _check_operator_now(request)
    else:
        await database_sync_to_async(_check_operator_now)(request)


def _check_operator_now(request: HttpRequest) -> None:
    asking = Request(request, authenticators=[RequestIdentityAuthentication()])
    try:
        is_known = asking.user.is_authenticated
    except APIException as error:
        raise ForbiddenError(str(error.detail)) from error
    if not is_known:
        raise UnauthenticatedError("say who asks: log in to the admin, or see the documentation for what else there is")
    operator = IsOperator()
    if not operator.has_permission(asking, None):
        raise ForbiddenError(operator.message)


def _named(request: HttpRequest, parameters: frozenset[str]) -> str | None:
    if unknown := sorted(set(request.GET) - parameters):
        raise BadMessageError(
            f"there is no parameter {', '.join(unknown)[:100]}; known are {', '.join(sorted(parameters))}"
        )
    names = {*request.GET.getlist(PARAMETER), *([request.headers[HEADER]] if HEADER in request.headers else [])}
    if len(names) > 1:
        raise BadMessageError(f"the request names two services: {', '.join(sorted(names))[:100]}")
    return names.pop() if names else None
