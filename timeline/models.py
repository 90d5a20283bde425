"""Posts, what is known about their authors, and what other services reported about them."""

import uuid

from django.db import models
from django.utils import timezone

MAX_USER_ID_LENGTH = 128
MAX_MEDIA = 4


class Visibility(models.TextChoices):
    """Who may see a post."""

    PUBLIC = "public"
    FOLLOWERS = "followers"
    PRIVATE = "private"


class Post(models.Model):
    """What somebody wrote; a deleted one stays, hidden."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user_id = models.CharField(max_length=MAX_USER_ID_LENGTH)
    # Its length is a setting (MAX_POST_LENGTH), which a column's cannot follow.
    content = models.TextField()
    content_type = models.CharField(max_length=64, default="text/plain")
    media = models.JSONField(default=list, blank=True)
    visibility = models.CharField(max_length=16, choices=Visibility.choices, default=Visibility.PUBLIC)
    like_count = models.PositiveIntegerField(default=0)
    comment_count = models.PositiveIntegerField(default=0)
    repost_count = models.PositiveIntegerField(default=0)
    metadata = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    deleted_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(fields=["-created_at", "-id"], name="post_newest", condition=models.Q(deleted_at=None)),
            models.Index(
                fields=["user_id", "-created_at", "-id"],
                name="post_newest_of_user",
                condition=models.Q(deleted_at=None),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.id} by {self.user_id}"


class Author(models.Model):
    """What ``user:updated`` said last about a user."""

    user_id = models.CharField(max_length=MAX_USER_ID_LENGTH, primary_key=True)
    username = models.CharField(max_length=128, default="", blank=True)
    display_name = models.CharField(max_length=256, default="", blank=True)
    avatar_url = models.CharField(max_length=2048, default="", blank=True)
    heard_ms = models.BigIntegerField()
    """When the event was appended, in Unix milliseconds: an older one changes nothing."""

    def __str__(self) -> str:
        return self.display_name or self.username or self.user_id


class Completion(models.Model):
    """What a service reported about its work on one event of a post; kept once per event."""

    post = models.ForeignKey(Post, on_delete=models.CASCADE, related_name="completions")
    event_id = models.CharField(max_length=64)
    event = models.CharField(max_length=128)
    source = models.CharField(max_length=64)
    post_event = models.CharField(max_length=128)
    handled_ms = models.BigIntegerField()
    received_ms = models.BigIntegerField()
    position = models.CharField(max_length=41)
    data = models.JSONField()

    class Meta:
        ordering = ["id"]
        constraints = [
            # An emitter chooses its ids, so they are unique only together with its name.
            models.UniqueConstraint(fields=["source", "event_id"], name="completion_once_per_event"),
        ]

    def __str__(self) -> str:
        return f"{self.event} from {self.source} on {self.post_event} of {self.post_id}"
