"""In the name of which service a request emits or calls.

With a broker token it is the token's. An operator may speak as any service of the catalogue, and is the bridge if none
is named.
"""

import logging
from typing import Final

from django.http import HttpRequest

from bridge.api.authentication import Asker
from ipc.django_app.audit_trail import write_once_a_minute
from ipc.hub.session import Identity
from ipc.protocol.errors import BadMessageError, ForbiddenError
from ipc.protocol.services import full_name

logger = logging.getLogger(__name__)

PARAMETER: Final = "service"
HEADER: Final = "X-IPC-Service"
DEFAULT: Final = "bridge"


async def speaker_of(
    asker: Asker, request: HttpRequest, parameters: frozenset[str] = frozenset({PARAMETER})
) -> Identity:
    """Return the service that a request speaks for, and what it may do.

    Args:
        asker: who makes it, once they are let in.
        request: what is asked.
        parameters: those that its address may have.

    Raises:
        ForbiddenError: it names another service than its token.
        UnknownServiceError: it names a service that does not exist.
        BadMessageError: it names two services, or has another parameter.
        UnavailableError: Redis is out of reach, so it could not be written down that an operator speaks.

    """
    named = _named(request, parameters)
    if asker.token is not None:
        if named is not None and full_name(named) != asker.service:
            raise ForbiddenError(f"the token is {asker.service}'s, so the request is, too, and not of {named[:64]!r}")
        return asker.token
    service = full_name(named or DEFAULT)
    if not asker.is_dev_bypass:
        logger.info("the %s speaks as %s at %s", asker.name, service, request.path)
        await write_once_a_minute("operator.speaks", by=asker.name, subject=service, details={"path": request.path})
    return Identity(service=service, permissions=asker.permissions, is_dev_bypass=asker.is_dev_bypass)


def _named(request: HttpRequest, parameters: frozenset[str]) -> str | None:
    if unknown := sorted(set(request.GET) - parameters):
        raise BadMessageError(
            f"there is no parameter {', '.join(unknown)[:100]}; known are {', '.join(sorted(parameters))}"
        )
    names = {*request.GET.getlist(PARAMETER), *([request.headers[HEADER]] if HEADER in request.headers else [])}
    if len(names) > 1:
        raise BadMessageError(f"the request names two services: {', '.join(sorted(names))[:100]}")
    return names.pop() if names else None
