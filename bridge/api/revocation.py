"""Revoking broker tokens over HTTP, for operators: one, or all of a service. All hubs hear of it at once."""

from typing import Final

import msgspec
from django.http import HttpRequest, HttpResponse

from bridge.api.answers import success
from bridge.api.authentication import Asker
from bridge.api.bodies import body_of, check_json_type, decoded
from bridge.api.loop_view import LoopView, answered
from ipc.hub.hub import Hub
from ipc.protocol import codec
from ipc.protocol.cloudevents import MediaType
from ipc.protocol.services import full_name


class Whose(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Whose tokens are meant."""

    service: str


_WHOSE: Final = msgspec.json.Decoder(Whose)


class TokenView(LoopView):
    """One token."""

    http_method_names = ["delete"]

    async def delete(self, request: HttpRequest, token_id: str) -> HttpResponse:
        """Revoke it; its sessions are closed within a second, at every hub. That is so if it was before, too."""

        async def work(hub: Hub, asker: Asker) -> HttpResponse:
            await hub.proofs.revoke(token_id, by=asker.name)
            return success(codec.encode_json({"revoked": token_id}))

        return await answered(request, work)


class RevokeView(LoopView):
    """All tokens of a service."""

    http_method_names = ["post"]

    async def post(self, request: HttpRequest) -> HttpResponse:
        """Revoke those that were issued until now, and answer with when that is."""

        async def work(hub: Hub, asker: Asker) -> HttpResponse:
            check_json_type(MediaType.of(request.headers.get("Content-Type", "")))
            named: Whose = decoded(_WHOSE, body_of(request))
            service = full_name(named.service)
            until_s = await hub.proofs.revoke_source(service, by=asker.name)
            return success(codec.encode_json({"service": service, "issuedBy": until_s}))

        return await answered(request, work)
