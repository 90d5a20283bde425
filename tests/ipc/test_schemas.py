"""Schemas from what services have: JSON, types of msgspec, and serializers of DRF."""

import datetime as dt
import uuid
from typing import Any

import msgspec
import pytest
from rest_framework import serializers

from ipc.hub.schema_check import SchemaCheck
from ipc.protocol.errors import BadMessageError
from ipc.schemas import json_schema


class Author(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=40)


class Album(serializers.Serializer[Any]):
    id = serializers.UUIDField(read_only=True)
    title = serializers.CharField(max_length=80, min_length=2, help_text="What it is called.")
    author = Author()
    others = Author(many=True, required=False)
    tags = serializers.ListField(child=serializers.CharField(), max_length=3, required=False)
    counts = serializers.DictField(child=serializers.IntegerField(min_value=0), required=False)
    kind = serializers.ChoiceField(choices=[("a", "A"), ("b", "B")], allow_null=True)
    link = serializers.URLField(required=False)
    made = serializers.DateTimeField()
    score = serializers.FloatField(max_value=1.0, required=False)
    is_public = serializers.BooleanField()
    extra = serializers.JSONField(required=False)
    password = serializers.CharField(write_only=True)


class Point(msgspec.Struct):
    x: int


def test_a_schema_and_a_type_of_msgspec_are_what_they_say() -> None:
    assert json_schema({"type": "string"}) == {"type": "string"}
    assert json_schema(Point)["$defs"]["Point"]["required"] == ["x"]
    assert json_schema(list[int]) == {"type": "array", "items": {"type": "integer"}}


def test_a_serializer_is_what_it_shows() -> None:
    schema = json_schema(Album)
    properties = schema["properties"]
    assert schema["required"] == ["author", "id", "is_public", "kind", "made", "title"]
    assert "password" not in properties
    assert properties["id"] == {"type": "string", "format": "uuid"}
    assert properties["title"] == {
        "type": "string",
        "minLength": 2,
        "maxLength": 80,
        "description": "What it is called.",
    }
    assert properties["author"]["properties"] == {"name": {"type": "string", "maxLength": 40}}
    assert properties["others"]["items"]["required"] == ["name"]
    assert properties["tags"] == {"type": "array", "items": {"type": "string"}, "maxItems": 3}
    assert properties["counts"]["additionalProperties"] == {"type": "integer", "minimum": 0}
    assert properties["kind"] == {"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]}
    assert properties["link"] == {"type": "string", "format": "uri"}
    assert properties["made"] == {"type": "string", "format": "date-time"}
    assert properties["score"] == {"type": "number", "maximum": 1.0}
    assert properties["extra"] == {}
    assert json_schema(Album()) == schema


def test_what_a_serializer_makes_fits_its_schema() -> None:
    shown = Album(
        {
            "id": uuid.UUID(int=7),
            "title": "Spring",
            "author": {"name": "ada"},
            "kind": None,
            "made": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            "is_public": True,
        }
    ).data
    check = SchemaCheck(json_schema(Album))
    assert check.misfit(msgspec.json.decode(msgspec.json.encode(dict(shown)))) is None
    assert check.misfit({**shown, "title": 7}) is not None


@pytest.mark.parametrize("shape", [7, "string", object()])
def test_what_has_no_schema_is_refused(shape: Any) -> None:
    with pytest.raises(BadMessageError, match="has no schema"):
        json_schema(shape)
