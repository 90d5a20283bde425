"""The JSON Schema of an event's data: written down, or taken from a type of msgspec or a serializer of DRF.

A serializer is known by what it has, so that this needs neither Django nor DRF.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError

_FORMATS: Final = {
    "DateField": "date",
    "DateTimeField": "date-time",
    "EmailField": "email",
    "TimeField": "time",
    "URLField": "uri",
    "UUIDField": "uuid",
}
_TYPES: Final = {
    "BooleanField": "boolean",
    "CharField": "string",
    "ChoiceField": None,
    "DateField": "string",
    "DateTimeField": "string",
    "DictField": "object",
    "FloatField": "number",
    "IntegerField": "integer",
    "JSONField": None,
    "TimeField": "string",
    "UUIDField": "string",
}
_BOUNDS: Final = {
    "string": {"min_length": "minLength", "max_length": "maxLength"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "integer": {"min_value": "minimum", "max_value": "maximum"},
    "number": {"min_value": "minimum", "max_value": "maximum"},
}


def json_schema(shape: Any) -> dict[str, Any]:
    """Return the schema of what an event's data is.

    Args:
        shape: a JSON Schema, a serializer class of DRF (its output, since that is what is emitted), or a type that
            msgspec knows, such as a Struct.

    Raises:
        BadMessageError: INVALID_DATA, it is none of them.

    """
    if isinstance(shape, Mapping):
        return dict(shape)
    if callable(getattr(shape, "to_representation", None)) and callable(getattr(shape, "get_fields", None)):
        return _of_serializer(shape() if isinstance(shape, type) else shape)
    try:
        return msgspec.json.schema(shape)
    except TypeError as error:
        raise BadMessageError(
            f"{shape!r} has no schema: give a JSON Schema, a msgspec type or a DRF serializer ({error})",
            code=ErrorCode.INVALID_DATA,
        ) from error


def _of_serializer(serializer: Any) -> dict[str, Any]:
    shown = {name: field for name, field in serializer.fields.items() if not field.write_only}
    return {
        "type": "object",
        "properties": {name: _of_field(field) for name, field in shown.items()},
        # Only what the serializer always shows: others may be left out by whoever emits.
        "required": sorted(name for name, field in shown.items() if field.required or field.read_only),
    }


def _of_field(field: Any) -> dict[str, Any]:
    schema = _of_kind(field)
    for name, keyword in _BOUNDS.get(schema.get("type", ""), {}).items():
        if isinstance(bound := getattr(field, name, None), int | float):
            schema[keyword] = bound
    if field.help_text:
        schema["description"] = str(field.help_text)
    return {"anyOf": [schema, {"type": "null"}]} if field.allow_null else schema


def _of_kind(field: Any) -> dict[str, Any]:
    if hasattr(field, "fields"):
        return _of_serializer(field)
    if hasattr(field, "child"):
        child = _of_field(field.child)
        is_list = not any(base.__name__ == "DictField" for base in type(field).__mro__)
        return {"type": "array", "items": child} if is_list else {"type": "object", "additionalProperties": child}
    kinds = [base.__name__ for base in type(field).__mro__]
    kind = next((name for name in kinds if name in _TYPES), None)
    schema: dict[str, Any] = {"type": _TYPES[kind]} if kind is not None and _TYPES[kind] is not None else {}
    if kind == "ChoiceField":
        schema["enum"] = list(field.choices)
    if (known := next((name for name in kinds if name in _FORMATS), None)) is not None:
        schema["format"] = _FORMATS[known]
    return schema
