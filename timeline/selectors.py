"""All that reads, and with it the one rule of who sees what.

Public posts are for everybody who is let in. Private ones are for their owner; so are those for followers, as long as
nobody tells Timeline who follows whom. Deleted ones are for nobody.
"""

import uuid

from django.db.models import Q, QuerySet

from timeline.models import Completion, Post, Visibility
from timeline.services import PostNotFoundError


def post_list(*, viewer_id: str, user_id: str | None = None) -> QuerySet[Post]:
    """Return the posts that a viewer may see, newest first, of one user if asked."""
    posts = Post.objects.filter(_is_visible_to(viewer_id), deleted_at=None).order_by("-created_at", "-id")
    return posts if user_id is None else posts.filter(user_id=user_id)


def post_get(*, post_id: uuid.UUID, viewer_id: str) -> Post:
    """Return one post.

    Raises:
        PostNotFoundError: there is none, or not for this viewer, which is not told apart.

    """
    post = post_list(viewer_id=viewer_id).filter(id=post_id).first()
    if post is None:
        raise PostNotFoundError(post_id)
    return post


def completion_list(*, post_id: uuid.UUID, viewer_id: str) -> QuerySet[Completion]:
    """Return what services reported about a post, in the order heard; its owner sees that of a deleted one too.

    Raises:
        PostNotFoundError: there is no such post for this viewer.

    """
    seen = (_is_visible_to(viewer_id) & Q(deleted_at=None)) | Q(user_id=viewer_id)
    if not Post.objects.filter(seen, id=post_id).exists():
        raise PostNotFoundError(post_id)
    return Completion.objects.filter(post_id=post_id).order_by("id")


def _is_visible_to(viewer_id: str) -> Q:
    return Q(visibility=Visibility.PUBLIC) | Q(user_id=viewer_id)
