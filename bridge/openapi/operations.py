"""Each address of the bridge as the OpenAPI schema has it, by the name of its route: the one place that describes them.

Most of the bridge's views are none of DRF's, and what they take and answer with is decided by the Structs and rules of
the protocol; so none is described by its code.
"""

from collections.abc import Mapping
from typing import Any, Final

from drf_spectacular.utils import OpenApiParameter

from bridge.api.access import ACCESS
from bridge.api.dead_letters import MAX_WORDS
from bridge.mesh_stats import PARAMETER
from bridge.openapi import shapes
from bridge.openapi import told as answered
from ipc.django_app.openapi import Shape, answers, reference, told
from ipc.protocol.statistics import WINDOWS

JSON: Final = "application/json"
_ASKED: Final = (401, 403, 429, 503)
_READ: Final = (400, *_ASKED)
_WRITTEN: Final = (*_READ, 413, 415)


def _query(shape: Mapping[str, Shape], *, required: tuple[str, ...] = ()) -> list[OpenApiParameter]:
    return [OpenApiParameter(name, _typed(member), required=name in required) for name, member in shape.items()]


def _path(**shape: Shape) -> list[OpenApiParameter]:
    return [OpenApiParameter(name, _typed(member), OpenApiParameter.PATH) for name, member in shape.items()]


def _typed(shape: Shape) -> Any:
    # A raw schema is taken as it is, which the stubs do not say.
    return shape


_AS_SERVICE: Final = _query({"service": shapes.SERVICE})
_WHERE: Final = _query({"where": {**shapes.FILTERS["where"], "contentMediaType": JSON}})
_FOR_ONE_LETTER: Final = _path(service=shapes.SERVICE, group=shapes.GROUP, position=shapes.POSITION)
_FILTERS: Final = {
    **{name: shape for name, shape in shapes.FILTERS.items() if name != "where"},
    "id": {**shapes.FILTERS["id"], "maxItems": MAX_WORDS},
}

OPERATIONS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "stats": {
        "get": {
            "summary": "Who is attached, and how much is going on",
            "parameters": _query({PARAMETER: {"type": "string", "enum": [str(window) for window in WINDOWS]}}),
            "responses": answers(*_READ, success=told(answered.STATS)),
        }
    },
    "service-list": {
        "get": {
            "summary": "Which services there are, and how calls to them are doing",
            "parameters": _query({"service": shapes.SERVICE}),
            "responses": answers(*_READ, 404, success=told(reference("Services"))),
        }
    },
    "asyncapi": {
        "get": {
            "summary": "What the mesh says and hears, as a document of AsyncAPI",
            "responses": answers(
                *_ASKED, success={"type": "object", "required": ["asyncapi", "info", "channels", "operations"]}
            ),
        }
    },
    "explain": {
        "post": {
            "summary": "Who would get an event, and who would not and why",
            "request": {JSON: shapes.EXPLAINED},
            "responses": answers(*_WRITTEN, 404, success=told(reference("Explanation"))),
        }
    },
    "jsonlex": {
        "post": {
            "summary": "What an expression gives",
            "request": {JSON: shapes.JSONLEX},
            "responses": answers(
                *_WRITTEN, success=told(shapes.members(("result", "cost"), result=shapes.ANYTHING, cost=shapes.WHOLE))
            ),
        }
    },
    "emit": {
        "post": {
            "summary": "Emit an event, or several",
            "description": "An operator says with `service` whose events they are; the bridge's if none is named.",
            "parameters": _AS_SERVICE,
            "request": {
                JSON: {"oneOf": [reference("OwnEvent"), answered.list_of(reference("OwnEvent"))]},
                "application/cloudevents+json": reference("CloudEvent"),
                "application/cloudevents-batch+json": answered.list_of(reference("CloudEvent")),
            },
            "responses": answers(
                *_WRITTEN,
                404,
                success=told(
                    {
                        "oneOf": [
                            answered.EMITTED,
                            shapes.members(("results",), results=answered.list_of(told(answered.EMITTED))),
                        ]
                    }
                ),
            ),
        }
    },
    "call": {
        "post": {
            "summary": "Call whoever serves a resource",
            "parameters": _AS_SERVICE,
            "request": {JSON: shapes.CALL},
            "responses": answers(*_WRITTEN, 404, 409, 500, 502, 504, success=told(shapes.ANYTHING)),
        }
    },
    "positions": {
        "get": {
            "summary": "Where in the logs of a service a moment is",
            "parameters": [*_query({"since": shapes.MOMENT}, required=("since",)), *_AS_SERVICE],
            "responses": answers(
                *_READ, 404, success=told(shapes.members(("positions",), positions=answered.POSITIONS))
            ),
        }
    },
    "group-list": {
        "get": {
            "summary": "How each durable group is doing",
            "responses": answers(*_ASKED, success=told(answered.GROUPS)),
        }
    },
    "event": {
        "get": {
            "summary": "What each durable group has done with an event",
            "parameters": [
                *_path(event_id=shapes.EVENT_ID),
                *_query({"source": shapes.SERVICE, "log": shapes.LOG, "position": shapes.POSITION}),
            ],
            "responses": answers(*_READ, 404, 409, success=told(reference("EventStatus"))),
        }
    },
    "dead-letter-list": {
        "get": {
            "summary": "A page of what groups have given up",
            "parameters": [*_query({**_FILTERS, "cursor": shapes.LETTER_ID}), *_WHERE],
            "responses": answers(*_READ, 404, success=told(answered.LETTERS)),
        }
    },
    "dead-letter": {
        "get": {
            "summary": "One dead letter",
            "parameters": _FOR_ONE_LETTER,
            "responses": answers(*_READ, 404, success=told(answered.LETTER)),
        }
    },
    "dead-letter-redrive": {
        "post": {
            "summary": "Deliver dead letters to their groups again",
            "request": {JSON: shapes.letters_meant()},
            "responses": answers(*_WRITTEN, 404, success=told(answered.letters_moved("redriven"))),
        }
    },
    "dead-letter-discard": {
        "post": {
            "summary": "Delete dead letters",
            "request": {JSON: shapes.letters_meant(("reason",), reason=shapes.REASON)},
            "responses": answers(*_WRITTEN, 404, success=told(answered.letters_moved("discarded"))),
        }
    },
    "operation-list": {
        "get": {
            "summary": "The long operations, the newest first",
            "parameters": _query({"service": shapes.SERVICE}),
            "responses": answers(*_READ, 404, success=told(answered.LONG_OPERATIONS)),
        }
    },
    "operation-cancel": {
        "post": {
            "summary": "Cancel a long operation",
            "parameters": _path(operation=shapes.ULID),
            "request": None,
            "responses": answers(*_WRITTEN, 404, 409, success=told(answered.LONG_OPERATION)),
        }
    },
    "token-list": {
        "get": {
            "summary": "The tokens that hold",
            "parameters": _query(shapes.PAGE),
            "responses": answers(*_READ, 404, success=told(answered.TOKENS)),
        },
        "post": {
            "summary": "A token for the service whose certificate has signed the assertion",
            "auth": [],
            "request": {JSON: shapes.members(("assertion",), assertion=shapes.TEXT)},
            "responses": answers(*_WRITTEN, success=told(answered.TOKEN)),
        },
    },
    "token-revoke": {
        "post": {
            "summary": "Revoke all tokens of a service",
            "request": {JSON: shapes.members(("service",), service=shapes.SERVICE)},
            "responses": answers(
                *_WRITTEN,
                404,
                success=told(shapes.members(("service", "issuedBy"), service=shapes.TEXT, issuedBy=answered.NUMBER)),
            ),
        }
    },
    "token": {
        "delete": {
            "summary": "Revoke a token",
            "parameters": _path(token_id=shapes.ULID),
            "responses": answers(*_READ, success=told(shapes.members(("revoked",), revoked=shapes.TEXT))),
        }
    },
}


def described_operations(route: str) -> dict[str, dict[str, Any]]:
    """Return what is said of each method of a route, with who may use it."""
    rule = ACCESS[route]
    needed = f" A service needs the permission `{rule.permission}`." if rule.permission else ""
    return {
        verb: {
            "operation_id": f"{route}-{verb}",
            "tags": ["bridge"],
            **operation,
            "description": f"{operation.get('description', '')} For {rule.who}.{needed}".strip(),
        }
        for verb, operation in OPERATIONS[route].items()
    }
