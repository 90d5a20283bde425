"""Posts over IPC: the same serializer, rules and events as over HTTP.

A service that calls is a user of its own, ``service:exprsn-herald``: it sees what is public and what it has written,
and changes nothing else. It acts for a person only if `IPC_ON_BEHALF` names it. Any service could write any name into
``meta.user``, so that believing all of them would give each of the nineteen, and whoever breaks into one of them, the
posts of everybody.
"""

from typing import Any, cast

from django.db.models import QuerySet
from rest_framework.request import Request
from rest_framework.serializers import BaseSerializer

from ipc.django_app.conf import conf
from ipc.django_app.identity import Identity
from ipc.django_app.resources import ModelResource
from timeline import selectors, services
from timeline.models import Post
from timeline.pagination import PostPagination
from timeline.serializers import PostSerializer


class PostResource(ModelResource[Post]):
    """What Timeline serves as ``posts``."""

    def __init__(self) -> None:
        super().__init__(
            Post.objects.filter(deleted_at=None),
            PostSerializer,
            filters=["userId"],
            pagination=PostPagination,
            on_behalf=lambda: conf.on_behalf,
        )

    def get_queryset(self, request: Request) -> QuerySet[Post]:
        """Return the posts that the caller may see, newest first."""
        return selectors.post_list(viewer_id=_user_id(request))

    def perform_create(self, request: Request, serializer: BaseSerializer[Any]) -> Post:
        """Save a post of the caller."""
        return services.post_create(user_id=_user_id(request), **serializer.validated_data)

    def perform_update(self, request: Request, found: Post, serializer: BaseSerializer[Any]) -> Post:
        """Change a post of the caller."""
        return services.post_update(
            post_id=found.id, actor_id=_user_id(request), changes=dict(serializer.validated_data)
        )

    def perform_delete(self, request: Request, found: Post) -> None:
        """Hide a post of the caller for good."""
        services.post_delete(post_id=found.id, actor_id=_user_id(request))


def _user_id(request: Request) -> str:
    return cast(Identity, request.user).user_id
