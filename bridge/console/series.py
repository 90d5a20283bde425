"""The curves of the overview, as the page asks for them."""

from functools import partial
from typing import Final

from django.http import HttpRequest, HttpResponse

from bridge.console.board import Compose, board_of
from bridge.console.permitted import PermittedFeed
from ipc.django_app.runtime import running_hub
from ipc.hub.hub import Hub
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError
from ipc.protocol.statistics import SPANS, Series, Span


async def _curves(span: Span, hub: Hub) -> Series:
    return await hub.figures.series(span)


CURVES: Final[dict[str, Compose]] = {span: partial(_curves, span) for span in SPANS}
HOLDS_S: Final = {"5m": 1, "1h": 5, "24h": 30}


class SeriesView(PermittedFeed):
    """All points of the curves over one span."""

    async def get(self, request: HttpRequest) -> HttpResponse:
        """Answer with the curves over ``span``."""
        span = request.GET.get("span", "5m")
        if span not in CURVES:
            raise IPCError(f"there is no such span; there are {', '.join(CURVES)}", code=ErrorCode.NOT_FOUND)
        text = await board_of(running_hub(), CURVES[span], every_s=HOLDS_S[span]).text()
        return HttpResponse(text, content_type="application/json", headers={"Cache-Control": "no-store"})
