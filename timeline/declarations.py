"""What Timeline says of its events: the shape of their data, from the serializers that make it."""

from typing import Any, Final

from ipc import IPCWorker
from timeline.events import POST_CREATED, POST_DELETED, POST_UPDATED
from timeline.serializers import PostSerializer

_EXAMPLE: Final[dict[str, Any]] = {
    "id": "7d4c1f6e-3c0b-4f7e-9a55-2f6f1c1f0b11",
    "userId": "ada",
    "content": "Hello, world",
    "contentType": "text/plain",
    "media": [],
    "visibility": "public",
    "likeCount": 0,
    "commentCount": 0,
    "repostCount": 0,
    "metadata": {},
    "createdAt": "2026-11-23T14:48:35.673Z",
    "updatedAt": "2026-11-23T14:48:35.673Z",
}
_DELETED: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "userId": {"type": "string"},
        "visibility": {"type": "string"},
        "deletedAt": {"type": "string", "format": "date-time"},
    },
    "required": ["id", "userId", "visibility", "deletedAt"],
}


def declare(worker: IPCWorker) -> None:
    """Say what the events of posts are."""
    worker.declare_event(
        POST_CREATED, schema=PostSerializer, description="Somebody has written a post.", examples=[_EXAMPLE]
    )
    worker.declare_event(
        POST_UPDATED,
        schema=PostSerializer,
        description="A post was changed; this is how it is now.",
        examples=[_EXAMPLE],
    )
    worker.declare_event(POST_DELETED, schema=_DELETED, description="A post is gone, and is to be forgotten.")
