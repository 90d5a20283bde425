"""The live feed of the console: server-sent events for who may look, or one JSON for who asks again and again.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import time
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any, Final, NamedTuple
from weakref import WeakKeyDictionary

from django.conf import settings
from django.contrib.auth import aget_user
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.views import View

from bridge.console.board import Compose, board_of
from bridge.console.map import map_now
from bridge.console.operations import operations_now
from bridge.console.overview import overview_now
from ipc.django_app.http import error_body
from ipc.django_app.runtime import running_hub
from ipc.hub.hub import Hub
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError

MAX_FEEDS: Final = 64
CHECKED_EVERY_S: Final = 5.0
STREAM: Final = "text/event-stream"
AGAIN_MS: Final = 2_000


class Topic(NamedTuple):
    """What a feed is about."""

    compose: Compose
    permission: str = "bridge.view_mesh"


TOPICS: Final = {"overview": Topic(overview_now), "map": Topic(map_now), "operations": Topic(operations_now)}
_OPEN: WeakKeyDictionary[Hub, int] = WeakKeyDictionary()


class FeedView(View):
    """Whoever asks for events gets one a second, until they leave, may look no longer, or the process stops."""

    async def get(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with the feed that ``about`` names, as events or once."""
        topic = TOPICS.get(request.GET.get("about", "overview"))
        if topic is None:
            return refused(ErrorCode.NOT_FOUND, f"there is no such feed; there are {', '.join(TOPICS)}")
        if not await may_look(request.session.session_key, topic.permission):
            return refused(ErrorCode.FORBIDDEN, "this is for staff who may look at it: log in to the admin")
        try:
            hub = running_hub()
        except IPCError as error:
            return refused(error.code, error.message)
        if STREAM not in request.headers.get("Accept", ""):
            text = await board_of(hub, topic.compose).text()
            return HttpResponse(text, content_type="application/json", headers={"Cache-Control": "no-store"})
        if _OPEN.get(hub, 0) >= MAX_FEEDS:
            return refused(ErrorCode.OVERLOADED, f"this process has {MAX_FEEDS} feeds: ask for JSON instead")
        events = _events(hub, topic, request.session.session_key)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(events, content_type=STREAM, headers=headers)


async def may_look(session_key: str | None, permission: str) -> bool:
    """Tell whether a session is that of staff who have a permission, by what the database says now."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = await aget_user(request)
    return bool(user.is_active and user.is_staff) and await user.ahas_perm(permission)


async def _events(hub: Hub, topic: Topic, session_key: str | None) -> AsyncIterator[str]:
    _OPEN[hub] = _OPEN.get(hub, 0) + 1
    board, checked_at = board_of(hub, topic.compose), time.monotonic()
    try:
        yield f"retry: {AGAIN_MS}\n\n"
        while not hub.is_draining:
            if time.monotonic() - checked_at >= CHECKED_EVERY_S:
                checked_at = time.monotonic()
                if not await may_look(session_key, topic.permission):
                    return
            yield f"data: {await board.text()}\n\n"
            # With the second, so that all feeds show the same.
            await asyncio.sleep(1.0 - time.time() % 1.0)
    finally:
        _OPEN[hub] -= 1


def refused(code: ErrorCode, message: str) -> HttpResponse:
    """Return an error as JSON."""
    body: dict[str, Any] = error_body(code, message)
    return JsonResponse(body, status=code.http_status, headers={"Cache-Control": "no-store"})
