"""What the bridge answers with, as JSON Schema: made from the Structs where there are some."""

from typing import Any, Final

import msgspec

from bridge.openapi.shapes import ANYTHING, FLAG, TEXT, WHOLE, members, optional
from ipc.django_app.openapi import Shape
from ipc.protocol.delivery_status import EventStatus
from ipc.protocol.discovery import Services
from ipc.protocol.explanation import Explanation
from ipc.protocol.member_names import camel_name

NUMBER: Final[Shape] = {"type": "number"}


def list_of(items: Shape) -> Shape:
    """Return the shape of a list."""
    return {"type": "array", "items": items}


def _all(**properties: Any) -> Shape:
    return members(tuple(properties), **properties)


POSITIONS: Final[Shape] = {"type": "object", "additionalProperties": TEXT}
EMITTED: Final = members(
    ("id", "position", "positions"), id=TEXT, position=TEXT, positions=POSITIONS, duplicate={"const": True}
)
STATS: Final = _all(
    activeServices=WHOLE,
    services=list_of(
        _all(name=TEXT, namespace=TEXT, pid=WHOLE, hostname=TEXT, registered=WHOLE, lastSeen=WHOLE),
    ),
    activeConnections=WHOLE,
    connections=list_of(_all(id=TEXT, service=TEXT, connected=WHOLE, lastActivity=WHOLE)),
    rateLimits={
        "type": "object",
        "required": ["enabled", "window", "maxRequests", "maxExempt"],
        "properties": {"enabled": FLAG, "window": WHOLE, "maxRequests": WHOLE, "maxExempt": WHOLE},
    },
    mesh={"type": "object", "description": "What goes on in the window; see the documentation of the HTTP APIs."},
)
LONG_OPERATION: Final = _all(
    id=TEXT,
    name=TEXT,
    service=TEXT,
    instance=TEXT,
    target=optional(TEXT),
    total=NUMBER,
    done=NUMBER,
    percent=NUMBER,
    text=TEXT,
    status=TEXT,
    error=optional(TEXT),
    begunMs=WHOLE,
    updatedMs=WHOLE,
)
LONG_OPERATIONS: Final = _all(operations=list_of(LONG_OPERATION), hasMore=FLAG)
GROUPS: Final = _all(
    groups=list_of(
        _all(
            service=TEXT,
            group=TEXT,
            hubs=WHOLE,
            pending=WHOLE,
            lag=optional(WHOLE),
            oldestPendingMs=optional(WHOLE),
            lost=WHOLE,
            dead=WHOLE,
        )
    )
)
TOKEN: Final = _all(token=TEXT, expiresAt=NUMBER, expiresInMs=WHOLE, permissions=list_of(TEXT))
TOKENS: Final = _all(
    tokens=list_of(
        _all(
            id=TEXT,
            service=TEXT,
            target=TEXT,
            permissions=list_of(TEXT),
            issuedAt=NUMBER,
            expiresAt=NUMBER,
            stateful=FLAG,
            rateLimitExempt=FLAG,
            madeFor=TEXT,
        )
    ),
    next=optional(TEXT),
)
_LETTER: Final[dict[str, Shape]] = {
    **dict.fromkeys(("id", "service", "group", "event", "eventId", "source", "error"), TEXT),
    "attempts": WHOLE,
    "firstAt": WHOLE,
    "lastAt": WHOLE,
    "instance": optional(TEXT),
}
LETTER: Final = _all(
    **_LETTER,
    target={"type": ["string", "array", "null"], "items": TEXT},
    ts=WHOLE,
    log=TEXT,
    position=TEXT,
    traceback=optional(TEXT),
    data=ANYTHING,
    meta=ANYTHING,
)
LETTERS: Final = _all(deadLetters=list_of(_all(**_LETTER)), next=optional(TEXT), undecided=WHOLE)


def letters_moved(what: str) -> Shape:
    """Return the shape of what became of the letters that were meant."""
    return _all(matched=list_of(TEXT), **{what: list_of(TEXT)}, dryRun=FLAG, hasMore=FLAG, undecided=WHOLE)


def components() -> dict[str, Shape]:
    """Return the shapes of what the hub knows, by the names of their Structs; members have their names over HTTP."""
    _, found = msgspec.json.schema_components(
        [EventStatus, Explanation, Services], ref_template="#/components/schemas/{name}"
    )
    return {name: _in_camel(shape) for name, shape in found.items()}


def _in_camel(shape: Shape) -> Shape:
    properties = {camel_name(name): member for name, member in shape.get("properties", {}).items()}
    required = [camel_name(name) for name in shape.get("required", [])]
    return {**shape, "properties": properties, "required": required}
