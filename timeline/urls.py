"""The addresses of Timeline: its health, and posts, each with and without a trailing slash."""

from django.urls import path

from timeline.health import health
from timeline.views import CompletionListView, PostDetailView, PostListView

_posts = PostListView.as_view()
_post = PostDetailView.as_view()
_completions = CompletionListView.as_view()

urlpatterns = [
    path("health", health, name="health"),
    path("api/posts", _posts, name="post-list"),
    path("api/posts/", _posts),
    path("api/posts/<uuid:post_id>", _post, name="post-detail"),
    path("api/posts/<uuid:post_id>/", _post),
    path("api/posts/<uuid:post_id>/completions", _completions, name="post-completions"),
    path("api/posts/<uuid:post_id>/completions/", _completions),
]
