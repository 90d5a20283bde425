"""All that writes: each function is one transaction, and sends the signal that becomes the event."""

import uuid
from collections.abc import Mapping
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, ForbiddenError
from timeline.models import Author, Completion, Post
from timeline.signals import post_created, post_deleted, post_updated

EDITABLE: Final = frozenset({"content", "content_type", "media", "visibility", "metadata"})


class PostNotFoundError(BadMessageError):
    """The post does not exist, is deleted, or is hidden from who asks."""

    default_code = ErrorCode.NOT_FOUND

    def __init__(self, post_id: object) -> None:
        super().__init__(f"there is no post {post_id}")


def post_create(*, user_id: str, content: str, **fields: Any) -> Post:
    """Save a post of a user; ``fields`` are checked ones of `EDITABLE`."""
    now = timezone.now()
    with transaction.atomic():
        post = Post.objects.create(
            user_id=user_id, content=content, created_at=now, updated_at=now, **_editable(fields)
        )
        post_created.send(sender=Post, post=post)
    return post


def post_update(*, post_id: uuid.UUID, actor_id: str, changes: Mapping[str, Any]) -> Post:
    """Change fields of `EDITABLE`; where nothing would change, nothing is written and no event leaves.

    Raises:
        PostNotFoundError: there is no such post any more.
        ForbiddenError: it belongs to somebody else.

    """
    with transaction.atomic():
        post = _locked(post_id, actor_id)
        changed = [name for name, value in _editable(changes).items() if getattr(post, name) != value]
        if not changed:
            return post
        for name in changed:
            setattr(post, name, changes[name])
        post.updated_at = timezone.now()
        post.save(update_fields=[*changed, "updated_at"])
        post_updated.send(sender=Post, post=post)
    return post


def post_delete(*, post_id: uuid.UUID, actor_id: str) -> Post:
    """Hide a post for good.

    Raises:
        PostNotFoundError: there is no such post any more.
        ForbiddenError: it belongs to somebody else.

    """
    with transaction.atomic():
        post = _locked(post_id, actor_id)
        post.deleted_at = post.updated_at = timezone.now()
        post.save(update_fields=["deleted_at", "updated_at"])
        post_deleted.send(sender=Post, post=post)
    return post


def author_update(*, user_id: str, heard_ms: int, fields: Mapping[str, str]) -> Author:
    """Keep what an event said about a user; one that is older than what is known changes nothing."""
    with transaction.atomic():
        author, is_new = Author.objects.select_for_update().get_or_create(
            user_id=user_id, defaults={"heard_ms": heard_ms, **fields}
        )
        if not is_new and heard_ms >= author.heard_ms:
            for name, value in fields.items():
                setattr(author, name, value)
            author.heard_ms = heard_ms
            author.save()
    return author


def completion_record(*, post_id: uuid.UUID, source: str, event_id: str, **fields: Any) -> tuple[Completion, bool]:
    """Keep what a service reported; the second value is False for an event that was heard before.

    Raises:
        PostNotFoundError: the report is about a post that never existed.

    """
    if not Post.objects.filter(id=post_id).exists():
        raise PostNotFoundError(post_id)
    return Completion.objects.get_or_create(source=source, event_id=event_id, defaults={"post_id": post_id, **fields})


def _locked(post_id: uuid.UUID, actor_id: str) -> Post:
    # The lock also puts the outbox rows of one post in the order of their commits.
    post = Post.objects.select_for_update().filter(id=post_id, deleted_at=None).first()
    if post is None:
        raise PostNotFoundError(post_id)
    if post.user_id != actor_id:
        raise ForbiddenError(f"post {post_id} belongs to somebody else")
    return post


def _editable(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    unknown = fields.keys() - EDITABLE
    if unknown:
        raise TypeError(f"a post has no editable {', '.join(sorted(unknown))}")
    return fields
