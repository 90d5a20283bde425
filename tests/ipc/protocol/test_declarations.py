"""What a declaration may be: hostile schemas are refused before anybody compiles them, or are never checked."""

from typing import Any

import msgspec
import pytest

from ipc.protocol.declarations import (
    MAX_BYTES,
    MAX_DEPTH,
    Declaration,
    check_declaration,
    evaluations,
    in_frames,
    resolved,
)
from ipc.protocol.errors import BadMessageError


class Leaf(msgspec.Struct):
    text: str


class Tree(msgspec.Struct):
    leaves: list[Leaf]
    trees: "list[Tree]"


def declaration(schema: dict[str, Any], **members: Any) -> Declaration:
    return Declaration(event="post:created", schema=schema, **members)


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {}
    for _ in range(depth - 1):
        schema = {"not": schema}
    return schema


def doubling(times: int) -> dict[str, Any]:
    """A few lines of which each looks at the one before twice."""
    parts: dict[str, Any] = {"x0": {"type": "string"}}
    for number in range(1, times):
        parts[f"x{number}"] = {"allOf": [{"$ref": f"#/$defs/x{number - 1}"}] * 2}
    return {"$ref": f"#/$defs/x{times - 1}", "$defs": parts}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"$schema": "https://json-schema.org/draft/2020-12/schema", "type": "object"},
        {"properties": {"$ref": {"type": "string"}, "$id": {}}},
        {"$ref": "#"},
        {"$ref": "#/$defs/a~1b", "$defs": {"a/b": True}},
        {"allOf": [{}, {"$ref": "#/allOf/0"}]},
        nested(MAX_DEPTH),
        msgspec.json.schema(Tree),
    ],
    ids=range(8),
)
def test_a_schema_that_refers_to_itself_only_is_taken(schema: dict[str, Any]) -> None:
    check_declaration(declaration(schema))


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"$ref": "http://127.0.0.1/x"}, "only what is in it"),
        ({"$ref": "file:///etc/passwd"}, "only what is in it"),
        ({"$ref": "other.json#/a"}, "only what is in it"),
        ({"$ref": "#anchor"}, "only what is in it"),
        ({"$ref": ""}, "only what is in it"),
        ({"properties": {"a": {"items": [{"$ref": "//host/x"}]}}}, "only what is in it"),
        ({"$ref": "#/$defs/none"}, "no schema in it"),
        ({"$ref": "#/allOf/7", "allOf": [{}]}, "no schema in it"),
        ({"$ref": "#/title", "title": "x"}, "no schema in it"),
        ({"$id": "http://host/x"}, r"has \$id"),
        ({"$defs": {"a": {"$dynamicRef": "#x", "$anchor": "x"}}}, r"has \$anchor, \$dynamicRef"),
        ({"$schema": "http://json-schema.org/draft-04/schema#"}, "another dialect"),
        ({"$schema": "http://127.0.0.1/meta"}, "another dialect"),
        (nested(MAX_DEPTH + 1), "nested more than"),
        (nested(5_000), "nested more than"),
    ],
    ids=range(15),
)
def test_a_schema_that_leads_out_of_itself_or_is_too_deep_is_refused(schema: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadMessageError, match=reason):
        check_declaration(declaration(schema))


def test_what_is_too_large_is_refused_with_its_examples() -> None:
    check_declaration(declaration({"title": "x" * (MAX_BYTES - 200)}))
    for wrong in (declaration({"title": "x" * MAX_BYTES}), declaration({}, examples=["x" * MAX_BYTES])):
        with pytest.raises(BadMessageError, match="at most 16384") as refused:
            check_declaration(wrong)
        assert refused.value.code == "DATA_TOO_LARGE"


def test_what_is_no_event_cannot_be_declared() -> None:
    with pytest.raises(BadMessageError, match="not an event name"):
        check_declaration(Declaration(event="post", schema={}))


def test_how_much_there_is_to_compare_is_known_beforehand() -> None:
    """Or that it is too much, or has no end."""
    assert evaluations({"type": "string"}) == 1
    assert evaluations({"properties": {"a": {}, "b": {"items": {}}}, "required": ["a"]}) is not None
    assert evaluations(doubling(3)) is not None
    assert evaluations(doubling(30)) is None
    assert evaluations({"$ref": "#"}) is None
    assert evaluations(msgspec.json.schema(Leaf)) is not None
    assert evaluations(msgspec.json.schema(Tree)) is None
    assert evaluations({"$defs": {f"x{n}": {"$ref": f"#/$defs/x{n + 1}"} for n in range(200)} | {"x200": {}}}) is None


def test_a_reference_is_a_pointer() -> None:
    schema = {"$defs": {"a/b~": [{"x": 1}]}}
    assert resolved(schema, "#") is schema
    assert resolved(schema, "#/$defs/a~1b~0/0/x") == 1
    assert resolved(schema, "#/$defs/none/x") is None
    assert resolved(schema, "#/$defs/a~1b~0/01x") is None


def test_declarations_are_divided_so_that_each_part_fits_with_room_to_spare() -> None:
    small, large = declaration({}), declaration({}, description="x" * 900)
    assert in_frames([], 2000) == []
    assert in_frames([small, small], 2000) == [[small, small]]
    assert in_frames([large, small, large, large], 2000) == [[large, small], [large], [large]]
    assert in_frames([large, small], 10) == [[large], [small]]
