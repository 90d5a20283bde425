"""The messages and schemas of an AsyncAPI document."""

from typing import Any, Final

import msgspec

from ipc.protocol.declarations import DeclaredEvent, Drift
from ipc.protocol.messages import MAX_ID_LENGTH

HEADERS: Final = "event-headers"
CALL_REPLY: Final = "call-reply"
_REFERENCE: Final = "$ref"


def event_headers() -> dict[str, Any]:
    """Return the schema of what comes beside the data of every event."""
    text, number = {"type": "string"}, {"type": "integer"}
    return {
        "type": "object",
        "required": ["event", "id", "log", "position", "source", "target", "ts"],
        "properties": {
            "attempt": {**number, "description": "For a member of a group: the number of this attempt."},
            "delivery": {**text, "description": "For a member of a group: what is to be acknowledged."},
            "event": {**text, "description": "The name of the event."},
            "group": {**text, "description": "For a member of a group: which one."},
            "id": {**text, "maxLength": MAX_ID_LENGTH, "description": "Unique to the event for its source."},
            "log": {**text, "description": "The log that it is in."},
            "meta": {"type": "object", "description": "Whatever the emitter sent beside the data."},
            "position": {**text, "description": "Its place in that log."},
            "source": {**text, "description": "The service that has emitted it."},
            "target": {"oneOf": [text, {"type": "array", "items": text}], "description": "Whom it is for."},
            "traceparent": {**text, "description": "W3C Trace Context."},
            "ts": {**number, "description": "When it was taken, in Unix milliseconds."},
        },
    }


def event_message(event: str, name: str, declared: DeclaredEvent | None) -> dict[str, Any]:
    """Return an event as a message, as one service has declared it or as nobody has."""
    message: dict[str, Any] = {
        "name": event,
        "title": event,
        "contentType": "application/json",
        "headers": {_REFERENCE: f"#/components/schemas/{HEADERS}"},
        "payload": {_REFERENCE: f"#/components/schemas/{name}"},
        "tags": [{"name": event.partition(":")[0]}],
    }
    if declared is None:
        return message | {"summary": "Nobody has declared what its data is."}
    if declared.declaration.description:
        message["summary"] = declared.declaration.description
    if declared.declaration.examples:
        message["examples"] = [
            {"name": f"example-{number}", "payload": example}
            for number, example in enumerate(declared.declaration.examples, start=1)
        ]
    message["x-declared-by"] = declared.service
    message["x-drift"] = drift_figures(declared.drift, is_checked=declared.is_checked)
    return message


def event_schema(name: str, declared: DeclaredEvent | None) -> dict[str, Any]:
    """Return the schema of an event's data, whose references lead to where it is in the document."""
    if declared is None:
        return {"description": "Any JSON value."}
    schema = dict(declared.declaration.schema)
    schema.pop("$schema", None)
    moved: dict[str, Any] = _moved(schema, f"#/components/schemas/{name}")
    return moved


def call_message(resource: str, op: str) -> dict[str, Any]:
    """Return a call as a message."""
    return {
        "name": f"{resource}.{op}",
        "title": f"{resource}.{op}",
        "contentType": "application/json",
        "tags": [{"name": resource}],
        "payload": {
            "type": "object",
            "required": ["id", "op", "resource"],
            "properties": {
                "data": {"description": "What the owner makes of it; any JSON value."},
                "deadline_ms": {"type": "integer", "description": "How many milliseconds are left to answer it."},
                "id": {"type": "string", "maxLength": MAX_ID_LENGTH},
                "key": {"type": ["string", "integer"]},
                "op": {"const": op},
                "query": {"description": "What the owner makes of it; any JSON value."},
                "resource": {"const": resource},
                "source": {"type": "string", "description": "The service that calls."},
                "traceparent": {"type": "string"},
            },
        },
    }


def call_reply() -> dict[str, Any]:
    """Return the reply to a call as a message."""
    return {
        "name": "reply",
        "title": "reply",
        "summary": "The reply to a call, with its data or with an error.",
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "data": {"description": "Any JSON value."},
                "error": {
                    "type": "object",
                    "required": ["code", "message"],
                    "properties": {
                        "code": {"type": "string"},
                        "details": {},
                        "message": {"type": "string"},
                        "retry_after_ms": {"type": "integer"},
                        "retryable": {"type": "boolean"},
                    },
                },
                "id": {"type": "string", "description": "That of the call."},
            },
        },
    }


def drift_figures(drift: Drift, *, is_checked: bool) -> dict[str, Any]:
    """Return how what is emitted fits its schema; times in Unix milliseconds."""
    figures: dict[str, Any] = {"isChecked": is_checked, "checked": drift.checked, "drifted": drift.drifted}
    if drift.drifted:
        figures |= {"lastError": drift.last_error, "lastPointer": drift.last_pointer, "lastAt": drift.last_ms}
    return figures


def _moved(node: Any, place: str) -> Any:
    """Return a part of a schema as it is when the whole of it is at another place of a document."""
    if isinstance(node, dict):
        return {
            name: f"{place}{part[1:]}" if name == _REFERENCE and isinstance(part, str) else _moved(part, place)
            for name, part in node.items()
        }
    if isinstance(node, list):
        return [_moved(part, place) for part in node]
    return node


def as_json(document: dict[str, Any]) -> str:
    """Return a document as text to read."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"
