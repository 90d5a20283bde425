"""Broker tokens over HTTP: a service shows its certificate, and gets a token for some minutes."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from bridge.api.service_view import body_of, check_json_type, decoded, refusal, success
from certs.assertions import LEEWAY_S, MAX_LIFETIME_S, Assertion, verify_assertion
from certs.errors import BadAssertionError, CertificateError
from certs.store import CertificateStore
from ipc.django_app.conf import conf
from ipc.django_app.runtime import running_hub
from ipc.hub.proofs import BRIDGE
from ipc.protocol import codec
from ipc.protocol.cloudevents import MediaType
from ipc.protocol.errors import ForbiddenError, IPCError, TokenError, UnavailableError
from ipc.protocol.services import SERVICES

logger = logging.getLogger(__name__)

REMEMBERED_S: Final = MAX_LIFETIME_S + 2 * LEEWAY_S


class Request(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What is posted."""

    assertion: str


_REQUEST: Final = msgspec.json.Decoder(Request)


# Nobody comes here with a cookie: the assertion is all that counts.
@method_decorator(csrf_exempt, name="dispatch")
class TokenView(View):
    """Tokens for services that prove who they are."""

    http_method_names = ["post", "options"]

    async def post(self, request: HttpRequest) -> HttpResponse:
        """Answer with a token of the service whose assertion this is."""
        try:
            check_json_type(MediaType.of(request.headers.get("Content-Type", "")))
            asked: Request = decoded(_REQUEST, body_of(request))
            return await _token_for(asked.assertion)
        except IPCError as error:
            return refusal(error)


async def _token_for(text: str) -> HttpResponse:
    hub = running_hub()
    try:
        assertion = _proved(text)
    except BadAssertionError as error:
        hub.counters.tokens_refused += 1
        logger.info("an assertion was refused: %s", error)
        raise TokenError(f"the assertion proves nothing: {error}") from error
    manager, service = hub.proofs.manager, assertion.service
    if not await manager.is_first_use(f"{service}/{assertion.jti}", ttl_s=REMEMBERED_S):
        hub.counters.tokens_refused += 1
        logger.warning("an assertion of %s was shown a second time", service)
        raise TokenError("the assertion proves nothing: it was used before, and is good for once")
    permissions = conf.permissions_of(service)
    if not permissions:
        raise ForbiddenError(f"IPC_PERMISSIONS leaves {service} none, so it gets no token")
    made = await manager.mint(service, permissions=permissions, target=BRIDGE, by=f"{service}, by its certificate")
    answer = {"token": made.token, "expiresAt": made.claims.exp, "expiresInMs": round(conf.token_ttl_s * 1000)}
    return success(codec.encode_json({**answer, "permissions": list(permissions)}))


def _proved(text: str) -> Assertion:
    try:
        found = CertificateStore(Path(settings.CERTS_DIR)).read_authority()
    except CertificateError as error:
        logger.exception("the CA cannot be read")
        raise UnavailableError("this bridge cannot read its CA") from error
    if found is None:
        raise UnavailableError("this bridge has no CA: CERTS_DIR is where it looks")
    certificates, _key = found
    return verify_assertion(text, authority=certificates[0], services=SERVICES, audience=BRIDGE, now=datetime.now(UTC))
