"""Posts in the admin, to look at: a change here would bypass the signals, so posts are changed through the API."""

# ruff: noqa: ARG002 - the signatures are those that Django calls

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from timeline.models import Author, Completion, Post

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class ReadOnlyAdmin(ModelAdmin):
    """Shows rows and changes none."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


@admin.register(Post)
class PostAdmin(ReadOnlyAdmin):
    """All posts, deleted ones too."""

    list_display = ["id", "user_id", "content", "visibility", "created_at", "deleted_at"]
    list_filter = ["visibility", "created_at", ("deleted_at", admin.EmptyFieldListFilter)]
    search_fields = ["id", "user_id", "content"]


@admin.register(Author)
class AuthorAdmin(ReadOnlyAdmin):
    """What is known about users."""

    list_display = ["user_id", "username", "display_name"]
    search_fields = ["user_id", "username", "display_name"]


@admin.register(Completion)
class CompletionAdmin(ReadOnlyAdmin):
    """What services reported."""

    list_display = ["event", "source", "post_event", "post_id", "handled_ms", "received_ms"]
    list_filter = ["event", "source", "post_event"]
    search_fields = ["post__id", "event_id"]
