"""One event: what it holds, what became of it, who hears it, and what else happened in its trace."""

from typing import Any, NamedTuple

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from msgspec import UNSET, Raw

from bridge.console.event_rows import MAX_SHOWN, Content, Pretty, event_link, json_text, pretty, time_of
from bridge.console.page import ConsolePage
from bridge.console.people import name_of
from bridge.console.permitted import Permitted, refused
from ipc.django_app.runtime import running_hub, running_redis
from ipc.hub.hub import Hub
from ipc.hub.ledger import check_place
from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.delivery_status import EventStatus
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.protocol.explanation import Explanation
from ipc.protocol.positions import position_key
from ipc.stores.event_search import EventSearch
from ipc.stores.traces import Trace, Traced, find_trace, trace_id


class Found(NamedTuple):
    """All that is known of an event; nothing of what it holds where the logs have dropped it."""

    status: EventStatus
    frame: str = ""
    log: str = ""
    position: str = ""
    explanation: Explanation | None = None
    trace: Trace | None = None


class EventPage(ConsolePage):
    """The page of an event, by its id, and by its place where that is known."""

    template = "console/event.html"
    title = "Event"
    permission = "bridge.view_event"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Return what is known of it."""
        wanted = {name: request.GET.get(name, "").strip() for name in ("id", "source", "log", "position")}
        request_context = {"wanted": wanted, "can_emit": request.user.has_perm("bridge.emit_event")}
        if not wanted["id"]:
            return request_context
        found = async_to_sync(_found)(running_hub(), **wanted)
        return {
            **request_context,
            "title": f"Event {found.status.event or wanted['id']}",
            "found": found,
            **_shown(found),
        }


class EventJSON(Permitted):
    """The data of an event as they are, however many."""

    http_method_names = ["get"]
    permission = EventPage.permission

    def get(self, request: HttpRequest) -> HttpResponse:
        """Answer with JSON that nobody keeps."""
        try:
            place = check_place(request.GET.get("log"), request.GET.get("position"))
            if place is None:
                raise BadMessageError("say which event: its log and its position")
            seen = async_to_sync(EventSearch(running_redis()).at)(*place)
        except IPCError as error:
            return refused(error.code, error.message)
        if not seen.frame:
            return refused(ErrorCode.NOT_FOUND, "the log has dropped it")
        data = bytes(Content.of(seen.frame).data)
        return HttpResponse(data, content_type="application/json", headers={"Cache-Control": "no-store"})


async def _found(hub: Hub, *, id: str, source: str, log: str, position: str) -> Found:  # noqa: A002 - as the address has it
    status = await hub.ledger.status(id, source=source or None, log=log or None, position=position or None)
    redis = running_redis()
    for place in status.logs:
        if not place.in_log or place.position is None:
            continue
        seen = await EventSearch(redis).at(place.log, place.position)
        content = Content.of(seen.frame)
        trace = None
        if wanted := trace_id(seen.frame):
            trace = await find_trace(redis, wanted, around_ms=position_key(place.position)[0])
        return Found(status, seen.frame, place.log, place.position, await _explained(hub, content), trace)
    return Found(status)


async def _explained(hub: Hub, content: Content) -> Explanation | None:
    await hub.described()
    meta = Raw(codec.encode_json(content.meta).encode()) if content.meta is not None else UNSET
    target = None if "/" in content.target else content.target
    try:
        return await hub.explainer.explain(content.event, content.data, target=target, meta=meta, source=content.source)
    except IPCError as error:
        # What the mesh itself emits nobody may, and limits may have been lowered since it was emitted.
        if error.code in {ErrorCode.UNAVAILABLE, ErrorCode.TIMEOUT}:
            raise
        return None


def _shown(found: Found) -> dict[str, Any]:
    if not found.frame:
        return {}
    content = Content.of(found.frame)
    data: Pretty = pretty(bytes(content.data))
    return {
        "content": content,
        "edited_by": name_of(content.edited) if content.edited else "",
        "at": time_of(content.ts),
        "data": data,
        "max_shown": MAX_SHOWN,
        "meta": json_text(content.meta) if content.meta is not None else "",
        "others": [_other(each, found) for each in (found.trace.events if found.trace is not None else [])],
    }


def _other(each: Traced, found: Found) -> dict[str, Any]:
    """Return an event of the trace, which may be the one of the page."""
    return {
        "head": each.head,
        "log": each.log,
        "at": time_of(each.head.ts).partition(" ")[2],
        "is_this": (each.log, each.position) == (found.log, found.position),
        "link": event_link(each.head.id, each.log, each.position),
    }
