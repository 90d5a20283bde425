"""Fields that are stricter than DRF's: what is stored has to survive SQLite, PostgreSQL and the log unchanged."""

import json
from typing import Any

from rest_framework import serializers

from ipc.django_app.conf import conf
from ipc.django_app.stored_json import stored_json
from ipc.protocol.errors import BadMessageError


class TextField(serializers.CharField):
    """Text as it was written: not trimmed, never made from a number, with something to see in it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(trim_whitespace=False, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the text.

        Raises:
            ValidationError: it is not a string, or has no visible character.

        """
        if not isinstance(data, str):
            raise serializers.ValidationError(f"This is a string, not {json_type(data)}.", code="invalid")
        # Also leaves out what is neither space nor printed, such as U+200B.
        if not any(character.isprintable() and not character.isspace() for character in data):
            raise serializers.ValidationError("This may not be blank.", code="blank")
        return super().to_internal_value(data)


class ObjectField(serializers.JSONField):
    """A JSON object of any members, up to ``max_bytes`` of JSON."""

    def __init__(self, *, max_bytes: int, **kwargs: Any) -> None:
        self.max_bytes = max_bytes
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object.

        Raises:
            ValidationError: it is not an object, too large, too deep, or has a value that JSON or a database refuses.

        """
        if not isinstance(data, dict):
            raise serializers.ValidationError(f"This is an object, not {json_type(data)}.", code="invalid")
        try:
            json.dumps(data, allow_nan=False)
            stored = stored_json(data, conf.limits(), name="this")
        except (ValueError, RecursionError) as error:
            raise serializers.ValidationError(f"This has no JSON form: {error}.", code="invalid") from error
        except BadMessageError as error:
            raise serializers.ValidationError(f"{error.message}.", code="invalid") from error
        size = len(json.dumps(stored, ensure_ascii=False).encode())
        if size > self.max_bytes:
            raise serializers.ValidationError(
                f"This has at most {self.max_bytes} bytes, not {size}.", code="max_length"
            )
        return dict(stored)


class WholeNumberField(serializers.IntegerField):
    """A JSON number without a fraction, ``5`` or ``5.0``; a string of digits, which DRF would take, is refused."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number.

        Raises:
            ValidationError: it is none, or out of range.

        """
        if not isinstance(data, int | float) or isinstance(data, bool):
            raise serializers.ValidationError(f"This is a whole number, not {json_type(data)}.", code="invalid")
        if isinstance(data, float) and not data.is_integer():
            raise serializers.ValidationError(f"This is a whole number, not {data}.", code="invalid")
        return super().to_internal_value(int(data))


def json_type(value: object) -> str:
    """Return what JSON calls the type of a value, with its article."""
    names = {
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(value), "null")
