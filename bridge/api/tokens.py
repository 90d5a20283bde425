"""Broker tokens over HTTP: a service shows its certificate, and gets a token; operators list and revoke them."""

import asyncio
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from django.conf import settings
from django.http import HttpRequest, HttpResponse

from bridge.api.answers import refusal, success
from bridge.api.authentication import address_of, refuse_token_in_address
from bridge.api.bodies import body_of, check_json_type, decoded
from bridge.api.loop_view import LoopView, answered
from bridge.api.rate_limits import charge_token, show_budget
from certs.assertions import LEEWAY_S, MAX_LIFETIME_S, Assertion, claimed_service, verify_assertion
from certs.errors import BadAssertionError, CertificateError
from certs.store import CertificateStore
from ipc.django_app.conf import conf
from ipc.django_app.runtime import running_hub
from ipc.hub.hub import Hub
from ipc.hub.proofs import BRIDGE
from ipc.protocol import codec
from ipc.protocol.cloudevents import MediaType
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, ForbiddenError, IPCError, TokenError, UnavailableError
from ipc.protocol.services import SERVICES
from ipc.stores.audit_filter import by_certificate
from ipc.stores.token_pages import MAX_PAGE
from ipc.stores.token_records import TokenRecord

logger = logging.getLogger(__name__)

REMEMBERED_S: Final = MAX_LIFETIME_S + 2 * LEEWAY_S


class Proof(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a service posts."""

    assertion: str


class Wanted(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which tokens an operator wants to see."""

    service: str | None = None
    after: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=MAX_PAGE)] = 100


_PROOF: Final = msgspec.json.Decoder(Proof)


class TokenListView(LoopView):
    """Tokens for services that prove who they are, and the list of those that hold, for operators."""

    http_method_names = ["get", "head", "post"]

    async def get(self, request: HttpRequest) -> HttpResponse:
        """Answer with a page of tokens, and where the next one begins or null; never with a token itself."""
        return await answered(request, lambda hub, _: _listed(hub, request))

    async def post(self, request: HttpRequest) -> HttpResponse:
        """Answer with a token of the service whose assertion this is."""
        try:
            refuse_token_in_address(request)
            check_json_type(MediaType.of(request.headers.get("Content-Type", "")))
            asked: Proof = decoded(_PROOF, body_of(request))
            answer = await _token_for(request, asked.assertion)
        except IPCError as error:
            answer = refusal(error)
        show_budget(request, answer)
        return answer


async def _listed(hub: Hub, request: HttpRequest) -> HttpResponse:
    try:
        wanted = msgspec.convert(request.GET.dict(), Wanted, strict=False)
    except msgspec.ValidationError as error:
        raise BadMessageError(f"the address is wrong: {error}") from error
    page = await hub.proofs.manager.find(wanted.service, after=wanted.after or "", count=wanted.limit)
    return success(codec.encode_json({"tokens": [_told(record) for record in page.tokens], "next": page.next}))


def _told(record: TokenRecord) -> dict[str, Any]:
    claims = record.claims
    return {
        "id": claims.id,
        "service": claims.source,
        "target": claims.target,
        "permissions": list(claims.permissions),
        "issuedAt": claims.iat,
        "expiresAt": claims.exp,
        "stateful": claims.stateful,
        "rateLimitExempt": claims.rate_limit_exempt,
        "madeFor": record.by,
    }


async def _token_for(request: HttpRequest, text: str) -> HttpResponse:
    hub, address = running_hub(), address_of(request)
    try:
        # In a thread: it reads files, and checks signatures of whoever asks.
        assertion = await asyncio.to_thread(_proved, text)
    except BadAssertionError as error:
        hub.counters.tokens_refused += 1
        claimed = claimed_service(text, [name for name in SERVICES if name != error.impostor])
        logger.info("an assertion of %s from %s was refused: %s", claimed or "an unknown service", address, error)
        if error.impostor:
            await _write_impostor(hub, address, error.impostor, claimed)
        raise TokenError(f"the assertion proves nothing: {error}") from error
    manager, service = hub.proofs.manager, assertion.service
    if not await manager.is_first_use(f"{service}/{assertion.jti}", ttl_s=REMEMBERED_S):
        hub.counters.tokens_refused += 1
        logger.warning("an assertion of %s from %s was shown a second time", service, address)
        raise TokenError("the assertion proves nothing: it was used before, and is good for once")
    await charge_token(request, hub, service)
    permissions = conf.permissions_of(service)
    if not permissions:
        raise ForbiddenError(f"IPC_PERMISSIONS leaves {service} none, so it gets no token")
    made = await manager.mint(service, permissions=permissions, target=BRIDGE, by=by_certificate(service))
    answer = {"token": made.token, "expiresAt": made.claims.exp, "expiresInMs": round(conf.token_ttl_s * 1000)}
    return success(codec.encode_json({**answer, "permissions": list(permissions)}))


async def _write_impostor(hub: Hub, address: str, service: str, claimed: str) -> None:
    """Write down that whoever has the key of one service said to be another, if Redis can be reached."""
    details = {"code": ErrorCode.TOKEN_WRONG_SERVICE, "source": service, "claimed": claimed}
    try:
        await hub.proofs.manager.audit.write_once_a_minute(
            "token.refused", by=address, subject=service, details=details, apart=claimed, cause=service
        )
    except UnavailableError as error:
        logger.warning("an assertion that was refused is missing in the audit trail: %s", error)


def _proved(text: str) -> Assertion:
    try:
        authority = CertificateStore(Path(settings.CERTS_DIR)).read_authority_certificate()
    except CertificateError as error:
        logger.exception("the CA cannot be read")
        raise UnavailableError("this bridge cannot read its CA") from error
    if authority is None:
        raise UnavailableError("this bridge has no CA: CERTS_DIR is where it looks")
    return verify_assertion(text, authority=authority, services=SERVICES, audience=BRIDGE, now=datetime.now(UTC))
