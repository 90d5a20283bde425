"""The curves of the overview, as the page asks for them."""

from functools import partial
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views import View

from bridge.console.board import Compose, board_of
from bridge.console.feed import may_look, refused
from ipc.django_app.runtime import running_hub
from ipc.hub.hub import Hub
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError
from ipc.protocol.statistics import SPANS, Series, Span


async def _curves(span: Span, hub: Hub) -> Series:
    return await hub.figures.series(span)


CURVES: Final[dict[str, Compose]] = {span: partial(_curves, span) for span in SPANS}
HOLDS_S: Final = {"5m": 1, "1h": 5, "24h": 30}


class SeriesView(View):
    """All points of the curves over one span."""

    async def get(self, request: HttpRequest) -> HttpResponse:
        """Answer with the curves over ``span``."""
        span = request.GET.get("span", "5m")
        if span not in CURVES:
            return refused(ErrorCode.NOT_FOUND, f"there is no such span; there are {', '.join(CURVES)}")
        if not await may_look(request.session.session_key, "bridge.view_mesh"):
            return refused(ErrorCode.FORBIDDEN, "this is for staff who may look at it: log in to the admin")
        try:
            text = await board_of(running_hub(), CURVES[span], every_s=HOLDS_S[span]).text()
        except IPCError as error:
            return refused(error.code, error.message)
        return HttpResponse(text, content_type="application/json", headers={"Cache-Control": "no-store"})
