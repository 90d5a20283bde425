"""Who may read the metrics: whoever has the token for it; where there is none, a development machine itself."""

import hmac

from django.http import HttpRequest

from ipc.django_app.bypass import problem_of
from ipc.django_app.conf import conf
from ipc.protocol.errors import ForbiddenError, UnauthenticatedError
from ipc.protocol.signed_tokens import bearer_of


def check_scraper(request: HttpRequest) -> None:
    """Refuse whoever may not read the metrics.

    They name services and groups and tell how much each has to do, so they are not for everybody. The token is for
    nothing else: what a monitoring system stores need not be able to emit.

    Raises:
        UnauthenticatedError: the token is missing or wrong.
        ForbiddenError: there is no token here, and this is no request of the same machine in development.

    """
    expected = conf.metrics_token
    if expected:
        given = bearer_of(request.headers.get("Authorization", "")) or ""
        # In constant time; what cannot be encoded is no token of ours.
        if not hmac.compare_digest(given.encode(errors="replace"), expected.encode()):
            raise UnauthenticatedError("metrics are for who has IPC_METRICS_TOKEN: send it as Authorization: Bearer")
        return
    peer = str(request.META.get("REMOTE_ADDR", ""))
    if not conf.in_development or problem_of(peer, request.headers) is not None:
        raise ForbiddenError("metrics need a token here: set IPC_METRICS_TOKEN, and send it as Authorization: Bearer")
