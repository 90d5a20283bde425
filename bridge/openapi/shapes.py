"""What is sent to the bridge, as JSON Schema: the rules of the protocol where a pattern or a number can say them."""

from typing import Any, Final

from bridge.api.dead_letters import MAX_LIMIT, MAX_WORDS, NARROWING
from ipc.django_app.openapi import Shape, reference
from ipc.protocol.calls import MAX_NAME_LENGTH, MAX_TIMEOUT_MS
from ipc.protocol.messages import MAX_ID_LENGTH
from ipc.protocol.patterns import MAX_NAME_LENGTH as MAX_EVENT_LENGTH
from ipc.protocol.routing import BROADCAST, MAX_TARGETS
from ipc.protocol.services import PREFIX, SHORT_NAMES
from ipc.stores.token_pages import MAX_PAGE

_SEGMENT: Final = r"[A-Za-z0-9_][A-Za-z0-9_.\-]*"
_NUMBER: Final = r"(0|[1-9][0-9]{0,18})"

ANYTHING: Final[Shape] = {"description": "Any JSON value."}
TEXT: Final[Shape] = {"type": "string"}
FLAG: Final[Shape] = {"type": "boolean"}
WHOLE: Final[Shape] = {"type": "integer"}


def members(required: tuple[str, ...] = (), **properties: Any) -> Shape:
    """Return the shape of an object that has these members and no other."""
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        **({"required": list(required)} if required else {}),
    }


def such_as(shape: Shape, *examples: Any) -> Shape:
    """Return a shape with examples."""
    return {**shape, "examples": list(examples)}


def optional(shape: Shape) -> Shape:
    """Return a shape that may also be null."""
    return {"anyOf": [shape, {"type": "null"}]}


_SERVICE: Final = f"({PREFIX})?({'|'.join(SHORT_NAMES)})"
SERVICES_BY_NAME: Final[Shape] = {
    "type": "string",
    "description": "A service, by either name.",
    "pattern": f"^{_SERVICE}$",
    "examples": ["herald", "exprsn-herald"],
}
TARGETS_BY_NAME: Final[Shape] = {
    "type": "string",
    "description": "A service, by either name, or all of them.",
    "pattern": f"^({BROADCAST}|{_SERVICE})$",
    "examples": ["herald", BROADCAST],
}
SERVICE: Final = reference("Service")
TARGET: Final = reference("Target")
TARGETS: Final[Shape] = {
    "oneOf": [TARGET, {"type": "array", "items": TARGET, "minItems": 1, "maxItems": MAX_TARGETS}, {"type": "null"}]
}
EVENT: Final[Shape] = {
    "type": "string",
    "maxLength": MAX_EVENT_LENGTH,
    "pattern": rf"^{_SEGMENT}(:{_SEGMENT})+$",
    "examples": ["post:created"],
}
PATTERN: Final[Shape] = {
    "type": "string",
    "maxLength": MAX_EVENT_LENGTH,
    "pattern": rf"^(\*|(\*|{_SEGMENT})(:(\*|{_SEGMENT}))+)$",
    "examples": ["post:*"],
}
POSITION: Final[Shape] = {"type": "string", "pattern": f"^{_NUMBER}-{_NUMBER}$", "examples": ["1795470590572-0"]}
GROUP: Final[Shape] = {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$", "examples": ["notify"]}
ULID: Final[Shape] = {"type": "string", "pattern": "^[0-7][0-9A-HJKMNP-TV-Z]{25}$"}
# Everything that can be a segment of an address: no line breaks, and no slash, which a server may take for one.
EVENT_ID: Final[Shape] = {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH}
REQUEST_ID: Final[Shape] = {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH}
MOMENT: Final[Shape] = {
    "description": "A date and time, Unix milliseconds, or how long ago.",
    "anyOf": [
        {"type": "string", "pattern": "^[0-9]{1,9}[smhd]$"},
        {"type": "string", "pattern": "^[0-9]{10,15}$"},
        {"type": "string", "format": "date-time"},
    ],
    "examples": ["2h", "1795470590572", "2026-11-23T14:30:00Z"],
}
LOG: Final[Shape] = {
    "type": "string",
    "description": "A log, together with the position in it.",
    "pattern": rf"^({BROADCAST}|{_SERVICE}(/[A-Za-z0-9][A-Za-z0-9_.\-]{{0,63}})?)$",
}
REASON: Final[Shape] = {"type": "string", "maxLength": 1_000, "pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"}
META: Final[Shape] = {"type": ["object", "null"], "description": "Travels beside the data."}
TRACEPARENT: Final[Shape] = {"type": ["string", "null"], "maxLength": 64}


OWN_EVENT: Final = such_as(
    members(
        ("event",),
        event=EVENT,
        data=ANYTHING,
        target=TARGETS,
        id=optional(REQUEST_ID),
        meta=META,
        traceparent=TRACEPARENT,
    ),
    {"event": "backup:finished", "data": {"files": 812}, "target": "pulse", "id": "backup-2026-11-23"},
)
_WORDS: Final[Shape] = {"type": "string", "minLength": 1}
CLOUD_EVENT: Final[Shape] = {
    "type": "object",
    "description": "CloudEvents 1.0, structured. Extensions have names of a-z and 0-9.",
    "examples": [
        {"specversion": "1.0", "type": "com.example.order.created", "source": "/shop", "id": "7", "data": {"n": 1}}
    ],
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": _WORDS,
        "source": _WORDS,
        "type": {
            "type": "string",
            "maxLength": MAX_EVENT_LENGTH,
            "pattern": rf"^[A-Za-z0-9_][A-Za-z0-9_\-]*(\.[A-Za-z0-9_][A-Za-z0-9_\-]*)+$|^{_SEGMENT}(:{_SEGMENT})+$",
            "examples": ["com.example.order.created"],
        },
        "subject": optional(_WORDS),
        "time": optional({"type": "string", "format": "date-time"}),
        "datacontenttype": optional(_WORDS),
        "dataschema": optional(_WORDS),
        "traceparent": optional({**_WORDS, "maxLength": 64}),
        "ipctarget": {**optional(TARGET), "description": "Our extension: services, divided by commas."},
        "data": ANYTHING,
        "data_base64": {
            "type": "string",
            "contentEncoding": "base64",
            "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
        },
    },
    "not": {"required": ["data", "data_base64"]},
    "propertyNames": {"anyOf": [{"pattern": "^[a-z0-9]+$"}, {"const": "data_base64"}]},
    "additionalProperties": {
        "anyOf": [
            {"type": ["string", "boolean", "null"]},
            {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
        ]
    },
}
CALL: Final = such_as(
    members(
        ("resource", "op"),
        resource={"type": "string", "pattern": rf"^[A-Za-z][A-Za-z0-9_\-]{{0,{MAX_NAME_LENGTH - 1}}}$"},
        op={"type": "string", "pattern": f"^[A-Za-z][A-Za-z0-9_]{{0,{MAX_NAME_LENGTH - 1}}}$"},
        key={"anyOf": [{"type": "string", "maxLength": 512}, {"type": "integer"}, {"type": "null"}]},
        data=ANYTHING,
        query=ANYTHING,
        target=optional({**TEXT, "description": "A service or one of its instances."}),
        timeout_ms={"anyOf": [{"type": "integer", "minimum": 1, "maximum": MAX_TIMEOUT_MS}, {"type": "null"}]},
        idempotency_key=optional(REQUEST_ID),
        jsonlex=FLAG,
        meta=META,
        traceparent=TRACEPARENT,
    ),
    {"resource": "posts", "op": "read", "query": {"limit": 1}, "timeout_ms": 2000},
)
EXPLAINED: Final = such_as(
    members(("event",), event=EVENT, data=ANYTHING, target=TARGETS, source=optional(SERVICE), meta=META),
    {"event": "post:created", "data": {"visibility": "private"}},
)
JSONLEX: Final = such_as(
    members(("expression",), expression=ANYTHING, context=ANYTHING),
    {"expression": {"__jsonlex": True, "expr": {"$gte": [{"$var": "age"}, 18]}}, "context": {"age": 25}},
)

_LETTER_ID: Final = rf"{_SERVICE}/[A-Za-z0-9][A-Za-z0-9_.\-]{{0,63}}/{_NUMBER}-{_NUMBER}"
LETTER_ID: Final[Shape] = {"type": "string", "pattern": f"^{_LETTER_ID}$"}
# Of an event, of a letter, or a letter's position.
_ANY_ID: Final[Shape] = {
    "type": "string",
    "minLength": 1,
    "maxLength": 256,
    "pattern": rf"^[^/\u0000]*(/[^/\u0000]*)?$|^{_LETTER_ID}$",
}
FILTERS: Final[dict[str, Shape]] = {
    "service": SERVICE,
    "group": GROUP,
    "event": {"type": "array", "items": PATTERN, "minItems": 1, "maxItems": MAX_WORDS},
    "id": {"type": "array", "items": _ANY_ID, "minItems": 1, "maxItems": MAX_LIMIT},
    "since": MOMENT,
    "until": MOMENT,
    "where": {
        "description": "A JSONLex condition.",
        "anyOf": [
            {"type": "boolean"},
            {
                "type": "object",
                "minProperties": 1,
                "maxProperties": 1,
                "propertyNames": {"pattern": "^\\$[a-z]+$"},
                "examples": [{"$eq": [{"$var": "data.id"}, 7]}],
            },
            members(("__jsonlex", "expr"), __jsonlex={"const": True}, expr=ANYTHING),
        ],
    },
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 100},
}
PAGE: Final[dict[str, Shape]] = {
    "service": SERVICE,
    "after": {
        "type": "string",
        "pattern": rf"^exprsn-({'|'.join(SHORT_NAMES)})/[0-9]{{1,15}}-[0-7][0-9A-HJKMNP-TV-Z]{{25}}$",
    },
    "limit": {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 100},
}


def letters_meant(required: tuple[str, ...] = (), **properties: Shape) -> Shape:
    """Return the shape of a body that means dead letters: by a filter, or all where ``all`` is true."""
    filters = {
        **FILTERS,
        **{name: {"anyOf": [FILTERS[name]["items"], FILTERS[name]]} for name in ("event", "id")},
    }
    narrowing = [{"required": [name]} for name in sorted(NARROWING)]
    everything = {"properties": {"all": {"const": True}}, "required": ["all"]}
    return {
        **members(required, **filters, all=FLAG, dryRun=FLAG, **properties),
        "anyOf": [*narrowing, everything],
    }
