"""Posts and completions as JSON in camelCase, and the strict reading of what clients send."""

import re
from typing import Any, Final

from django.conf import settings
from django.core.validators import RegexValidator
from rest_framework import serializers

from timeline.fields import ObjectField, TextField, WholeNumberField, json_type
from timeline.models import MAX_MEDIA, Visibility

MAX_METADATA_BYTES: Final = 16 * 1024
MEDIA_TYPES: Final = ("image", "video", "audio", "gif")
_CONTENT_TYPE: Final = re.compile(r"[a-z]+(/[a-z0-9][a-z0-9.+\-]*)?", re.ASCII)


class CamelCaseSerializer(serializers.Serializer[Any]):
    """Shows its snake_case fields in camelCase, and refuses members it does not know.

    A member that can only be read, such as ``createdAt``, may come back with a post that was read, and is ignored.
    """

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Return the declared fields under their names in JSON."""
        named = {}
        for name, field in super().get_fields().items():
            shown = _camel(name)
            if shown != name and field.source is None:
                field.source = name
            named[shown] = field
        return named

    def to_internal_value(self, data: Any) -> Any:
        """Return the values by the names of the model.

        Raises:
            ValidationError: with the errors of each member.

        """
        if not isinstance(data, dict):
            where = "body" if self.root is self else "item"
            raise serializers.ValidationError({where: [f"This is an object, not {json_type(data)}."]})
        unknown = {str(name)[:64]: ["There is no such field."] for name in data if name not in self.fields}
        try:
            values = super().to_internal_value(data)
        except serializers.ValidationError as error:
            raise serializers.ValidationError({**_as_dict(error.detail), **unknown}) from None
        if unknown:
            raise serializers.ValidationError(unknown)
        return values


class MediaSerializer(CamelCaseSerializer):
    """One picture, film or sound of a post; it stays where it is, Timeline keeps the address."""

    url = serializers.URLField(max_length=2048)
    type = serializers.ChoiceField(choices=MEDIA_TYPES)
    alt = TextField(max_length=1000, required=False)
    width = WholeNumberField(min_value=1, max_value=100_000, required=False)
    height = WholeNumberField(min_value=1, max_value=100_000, required=False)

    def validate_url(self, url: str) -> str:
        """Let only addresses of the web through."""
        if not url.lower().startswith(("https://", "http://")):
            raise serializers.ValidationError("This is an address that starts with https:// or http://.")
        return url


class PostSerializer(CamelCaseSerializer):
    """A post; PUT needs ``content``, and what it leaves out stays as it is, so that no post turns public unasked."""

    id = serializers.UUIDField(read_only=True)
    user_id = serializers.CharField(read_only=True)
    content = TextField()
    content_type = TextField(
        max_length=64,
        required=False,
        validators=[RegexValidator(re.compile(rf"\A{_CONTENT_TYPE.pattern}\Z", re.ASCII), "This is no content type.")],
    )
    media = serializers.ListField(child=MediaSerializer(), required=False, max_length=MAX_MEDIA)
    visibility = serializers.ChoiceField(choices=Visibility.choices, required=False)
    like_count = serializers.IntegerField(read_only=True)
    comment_count = serializers.IntegerField(read_only=True)
    repost_count = serializers.IntegerField(read_only=True)
    metadata = ObjectField(max_bytes=MAX_METADATA_BYTES, required=False)
    created_at = serializers.DateTimeField(read_only=True)
    updated_at = serializers.DateTimeField(read_only=True)

    def validate_content(self, content: str) -> str:
        """Hold the length to ``MAX_POST_LENGTH`` characters (code points)."""
        if len(content) > settings.MAX_POST_LENGTH:
            raise serializers.ValidationError(
                f"This has at most {settings.MAX_POST_LENGTH} characters, not {len(content)}.", code="max_length"
            )
        return content

    def validate_media(self, media: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Make plain objects of the items, as they are stored."""
        return [dict(item) for item in media]


class CompletionSerializer(CamelCaseSerializer):
    """What a service reported, with the times in Unix milliseconds."""

    event = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment]  # a declared field is no attribute of the class
    post_event = serializers.CharField()
    handled_at = serializers.IntegerField(source="handled_ms")
    received_at = serializers.IntegerField(source="received_ms")
    position = serializers.CharField()
    data = serializers.JSONField()  # type: ignore[assignment]  # as above


class CompletionsSerializer(CamelCaseSerializer):
    """What services reported about a post."""

    post_id = serializers.UUIDField()
    completions = CompletionSerializer(many=True)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.title() for part in tail)


def _as_dict(detail: Any) -> dict[str, Any]:
    return detail if isinstance(detail, dict) else {"body": detail}
