"""The live feed of the pages that show the mesh at large; what it says is put together once for all who listen."""

from typing import Any, Final, NamedTuple

from django.http import HttpRequest

from bridge.console.board import Compose, board_of
from bridge.console.map import MAPS
from bridge.console.operations import operations_in_full_now, operations_now
from bridge.console.overview import overview_now
from bridge.console.stream import Said, StreamView, Tell
from bridge.roles import SEES_ERRORS
from ipc.hub.hub import Hub
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError


class Topic(NamedTuple):
    """What a feed is about, and which permissions it needs besides that to look."""

    compose: Compose
    needs: tuple[str, ...] = ()


TOPICS: Final[dict[str, Topic]] = {
    "overview": Topic(overview_now),
    **{about: Topic(compose) for about, compose in MAPS.items()},
    "operations": Topic(operations_now),
    "operations-in-full": Topic(operations_in_full_now, (SEES_ERRORS,)),
}


class FeedView(StreamView):
    """What ``about`` names."""

    def needed(self, request: HttpRequest) -> tuple[str, ...]:
        """Return the permissions that the topic needs."""
        topic = TOPICS.get(_about(request))
        return (self.permission, *(topic.needs if topic is not None else ()))

    def teller(self, request: HttpRequest, hub: Hub, **where: Any) -> Tell:  # noqa: ARG002 - no parts
        """Return what says what the board has.

        Raises:
            IPCError: NOT_FOUND, there is no such feed.

        """
        topic = TOPICS.get(_about(request))
        if topic is None:
            raise IPCError(f"there is no such feed; there are {', '.join(TOPICS)}", code=ErrorCode.NOT_FOUND)
        board = board_of(hub, topic.compose)

        async def tell() -> Said:
            return Said(await board.text())

        return tell


def _about(request: HttpRequest) -> str:
    return request.GET.get("about", "overview")
