"""The live feed of the pages that show the mesh at large; what it says is put together once for all who listen."""

from typing import Any, Final

from django.http import HttpRequest

from bridge.console.board import Compose, board_of
from bridge.console.map import map_now
from bridge.console.operations import operations_now
from bridge.console.overview import overview_now
from bridge.console.stream import Said, StreamView, Tell
from ipc.hub.hub import Hub
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError

TOPICS: Final[dict[str, Compose]] = {"overview": overview_now, "map": map_now, "operations": operations_now}
"""What a feed may be about."""


class FeedView(StreamView):
    """What ``about`` names."""

    def teller(self, request: HttpRequest, hub: Hub, **where: Any) -> Tell:  # noqa: ARG002 - no parts
        """Return what says what the board has.

        Raises:
            IPCError: NOT_FOUND, there is no such feed.

        """
        compose = TOPICS.get(request.GET.get("about", "overview"))
        if compose is None:
            raise IPCError(f"there is no such feed; there are {', '.join(TOPICS)}", code=ErrorCode.NOT_FOUND)
        board = board_of(hub, compose)

        async def tell() -> Said:
            return Said(await board.text())

        return tell
