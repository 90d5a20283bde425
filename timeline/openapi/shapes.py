"""What the serializers of posts decide in code, as JSON Schema, and what is in the addresses."""

from typing import Any, Final

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from ipc.django_app.openapi import Shape, reference
from timeline.models import MAX_USER_ID_LENGTH

_USER: Final[Any] = {"type": "string", "maxLength": MAX_USER_ID_LENGTH, "pattern": r"^[^\u0000]*$"}
POST_PARAMETERS: Final = [OpenApiParameter("post_id", OpenApiTypes.UUID, OpenApiParameter.PATH)]
LIST_PARAMETERS: Final = [OpenApiParameter("userId", _USER, description="Only posts of this user.")]

# Something that can be seen, and no NUL.
_VISIBLE: Final = r"^[^\u0000]*[\p{L}\p{M}\p{N}\p{P}\p{S}][^\u0000]*$"
_NO_NUL: Final = r"^[^\u0000]*$"
_OBJECT: Final[Shape] = {
    "type": "object",
    "propertyNames": {"pattern": _NO_NUL},
    "additionalProperties": reference("Value"),
}
_VALUE: Final[Shape] = {
    "description": "A JSON value without a NUL in its texts, which PostgreSQL cannot store.",
    "anyOf": [
        {"type": ["null", "boolean", "number"]},
        {"type": "string", "pattern": _NO_NUL},
        {"type": "array", "items": reference("Value")},
        _OBJECT,
    ],
}
_READ_ONLY: Final = ("id", "userId", "likeCount", "commentCount", "repostCount", "createdAt", "updatedAt")
_ADDRESS: Final[Shape] = {
    "type": "string",
    "maxLength": 2048,
    "pattern": r"^https?://([a-z0-9]{1,63}\.)+[a-z]{2,63}(:[0-9]{2,4})?([/?#][!-~]*)?$",
    "examples": ["https://pictures.example/cat.png"],
}


def strict(schemas: dict[str, Shape]) -> None:
    """Say in the components what DRF cannot know: which text counts as such, and that nothing else is taken."""
    schemas["Value"] = _VALUE
    for name, schema in schemas.items():
        if not name.endswith("Request"):
            continue
        schema["additionalProperties"] = False
        properties = schema["properties"]
        for text in ("content", "alt"):
            if text in properties:
                properties[text]["pattern"] = _VISIBLE
        if "url" in properties:
            properties["url"] = _ADDRESS
        if "content" in properties:
            properties["content"]["maxLength"] = settings.MAX_POST_LENGTH
            properties["metadata"] = _OBJECT
            properties |= {each: {"description": "Ignored: it may come back as it was read."} for each in _READ_ONLY}
    schemas["PostRequest"]["examples"] = [{"content": "Hello", "visibility": "public"}]
    schemas["Post"]["properties"]["metadata"] = _OBJECT
    # Django takes more for an address than RFC 3986 does.
    schemas["Media"]["properties"]["url"].pop("format")
