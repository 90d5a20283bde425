"""Rate limits over HTTP: a request of a service is one message, and an emit of several events as many."""

import math
from typing import Final

from django.http import HttpRequest, HttpResponseBase

from bridge.api.authentication import address_of
from ipc.hub.hub import Hub
from ipc.hub.meter import Meter
from ipc.hub.session import Identity
from ipc.protocol.errors import RateLimitError

_METER: Final = "ipc_meter"


async def charge(request: HttpRequest, hub: Hub, identity: Identity, count: int = 1) -> None:
    """Count a request against the budget of the service that it is made for, all of it or nothing.

    Raises:
        RateLimitError: so many messages are too many; ``retry_after_ms`` says when they will not be.

    """
    meter = hub.meter(identity)
    if meter is None:
        return
    setattr(request, _METER, meter)
    if await meter.take(count, is_whole=True) == count:
        return
    error = meter.refusal()
    hub.counters.refuse(identity.service, error.code, count)
    if count > meter.budget.maximum:
        raise RateLimitError(
            f"a request has at most {meter.budget.maximum} events here, this one has {count}: divide it",
            details=error.details,
        )
    raise error


async def charge_token(request: HttpRequest, hub: Hub, service: str) -> None:
    """Count a token that a service wants for its certificate.

    Raises:
        RateLimitError: it has had so many; ``retry_after_ms`` says when it can have another.

    """
    meter = hub.token_meter(service)
    if meter is None:
        return
    setattr(request, _METER, meter)
    if await meter.take(1) == 1:
        return
    error, budget = meter.refusal(), meter.budget
    hub.counters.refuse(service, error.code)
    hub.proofs.refusals.note(service, error, {"address": address_of(request)})
    raise RateLimitError(
        f"{service} gets {budget.maximum} tokens in any {budget.window_ms / 1000:g} s for its certificate, and has "
        "had as many",
        retry_after_ms=error.retry_after_ms,
        details=error.details,
    )


def show_budget(request: HttpRequest, response: HttpResponseBase) -> None:
    """Put what is left into the headers of an answer (draft-ietf-httpapi-ratelimit-headers-03).

    ``RateLimit-Reset`` is in how many seconds there will be more: the window slides, so it is never full at once.
    """
    meter: Meter | None = getattr(request, _METER, None)
    if meter is None:
        return
    standing = meter.standing
    response["RateLimit-Limit"] = str(standing.maximum)
    response["RateLimit-Remaining"] = str(standing.remaining)
    response["RateLimit-Reset"] = str(math.ceil(standing.reset_ms / 1000))
