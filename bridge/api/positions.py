"""Positions over HTTP: where in the logs of a service a moment is, to subscribe from there."""

import asyncio
import time

from django.http import HttpRequest, HttpResponse

from bridge.api.answers import success
from bridge.api.loop_view import ServiceView
from bridge.api.speakers import PARAMETER
from ipc.hub.hub import Hub
from ipc.hub.session import Identity
from ipc.protocol import codec
from ipc.protocol.moments import moment_ms
from ipc.protocol.routing import logs_of_service


class PositionsView(ServiceView):
    """A moment in the logs that a service hears."""

    http_method_names = ["get", "head"]
    parameters = frozenset({PARAMETER, "since"})
    get = ServiceView.answer

    async def carry_out(self, hub: Hub, speaker: Identity, request: HttpRequest) -> HttpResponse:
        """Answer with the position in each log after which the events since the moment come."""
        since_ms = moment_ms(request.GET.get("since", ""), now_ms=time.time_ns() // 1_000_000)
        logs = logs_of_service(speaker.service)
        positions = await asyncio.gather(*(hub.eventlog.position_before(log, since_ms) for log in logs))
        return success(codec.encode_json({"positions": dict(zip(logs, positions, strict=True))}))
