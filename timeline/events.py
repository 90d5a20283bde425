"""From signals to events: the receivers that write the outbox row of a post's change into the same transaction."""

from typing import Any, Final

from django.dispatch import Signal

from ipc.django_app.outbox import outbox_add
from timeline.models import Post
from timeline.serializers import PostSerializer
from timeline.signals import post_created, post_deleted, post_updated

POST_CREATED: Final = "post:created"
POST_UPDATED: Final = "post:updated"
POST_DELETED: Final = "post:deleted"
POST_EVENTS: Final = (POST_CREATED, POST_UPDATED, POST_DELETED)


def connect() -> None:
    """Connect each receiver to its signal, once however often this is called."""
    receivers: list[tuple[Signal, Any]] = [
        (post_created, emit_created),
        (post_updated, emit_updated),
        (post_deleted, emit_deleted),
    ]
    for signal, receiver in receivers:
        signal.connect(receiver, dispatch_uid=f"timeline.events.{receiver.__name__}")


def emit_created(*, post: Post, **_kwargs: Any) -> None:
    """Emit ``post:created`` with the post."""
    outbox_add(event=POST_CREATED, data=dict(PostSerializer(post).data), key=str(post.id))


def emit_updated(*, post: Post, **_kwargs: Any) -> None:
    """Emit ``post:updated`` with the post as it is now."""
    outbox_add(event=POST_UPDATED, data=dict(PostSerializer(post).data), key=str(post.id))


def emit_deleted(*, post: Post, **_kwargs: Any) -> None:
    """Emit ``post:deleted`` with no more than services need to forget the post."""
    outbox_add(
        event=POST_DELETED,
        data={"id": post.id, "userId": post.user_id, "visibility": post.visibility, "deletedAt": post.deleted_at},
        key=str(post.id),
    )
