"""Events as the console shows them: a row of a list, and a whole one; what they hold is text and nothing else."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from django.urls import reverse
from msgspec import Raw

from bridge.console.times import moment
from ipc.protocol import codec
from ipc.protocol.frames import closed
from ipc.protocol.messages import ReplayMark
from ipc.stores.log_pages import Found

PREVIEW: Final = 240
MAX_SHOWN: Final = 32 * 1024
"""How many characters of JSON a page shows; what is larger is led to."""


class Content(msgspec.Struct):
    """What the frame of an event says."""

    id: str
    event: str
    source: str
    target: str | list[str]
    ts: int
    data: Raw = Raw(b"null")
    meta: Any = None
    traceparent: str | None = None
    replay: ReplayMark | None = None
    edited: str | None = None

    @classmethod
    def of(cls, frame: str) -> "Content":
        """Read a frame, as in `Entry`."""
        return msgspec.json.decode(closed(frame), type=cls)

    @property
    def is_test(self) -> bool:
        """Whether an operator has emitted it to see what happens."""
        return isinstance(self.meta, Mapping) and self.meta.get("test") is True


class Pretty(msgspec.Struct):
    """JSON with line breaks, how many bytes it had without, and whether it was cut."""

    text: str
    size: int
    is_cut: bool


def pretty(raw: bytes) -> Pretty:
    """Return JSON as people read it, not more than a page can show."""
    text = msgspec.json.format(raw, indent=2).decode()
    return Pretty(text[:MAX_SHOWN], len(raw), len(text) > MAX_SHOWN)


def row_of(found: Found) -> dict[str, Any]:
    """Return a row, of values that JSON has, for the page and for the script that adds to it."""
    content, position = Content.of(found.entry.frame), found.entry.position
    target = content.target if isinstance(content.target, str) else ", ".join(content.target)
    data = bytes(content.data).decode()
    return {
        "key": f"{found.log} {position}",
        "at": time_of(content.ts),
        "event": content.event,
        "source": content.source.removeprefix("exprsn-"),
        "target": target.replace("exprsn-", ""),
        "log": found.log,
        "position": position,
        "data": data if len(data) <= PREVIEW else f"{data[:PREVIEW]}…",
        "isTest": content.is_test,
        "link": event_link(content.id, found.log, position),
    }


def event_link(event_id: str, log: str, position: str) -> str:
    """Return the address of an event's page."""
    return f"{reverse('admin:console_event')}?{urlencode({'id': event_id, 'log': log, 'position': position})}"


def time_of(ms: int) -> str:
    """Return the date and time of Unix milliseconds in UTC, to the millisecond."""
    return f"{moment(ms)}.{ms % 1000:03}"


def json_text(value: Any) -> str:
    """Return a value as JSON for people."""
    return msgspec.json.format(codec.encode_json(value), indent=2)
