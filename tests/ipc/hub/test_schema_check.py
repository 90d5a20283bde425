"""A compiled schema: what does not fit and where, and that a hostile one reaches nothing and holds nothing up."""

from typing import Any

import pytest

from ipc.hub.schema_check import MAX_PATTERNS_BYTES, PATTERN_BYTE_NS, STEP_NS, SchemaCheck
from ipc.protocol.errors import BadMessageError


def test_data_that_fits_has_no_misfit() -> None:
    assert SchemaCheck({"type": "object", "required": ["id"]}).misfit({"id": 1}) is None


def test_where_data_does_not_fit_is_told_without_what_it_is() -> None:
    check = SchemaCheck({"properties": {"a/b": {"items": {"type": "string"}}}})
    misfit = check.misfit({"a/b": ["x", 40_004]})
    assert misfit is not None
    assert misfit.pointer == "/a~1b/1"
    assert "string" in misfit.error
    assert "40004" not in misfit.error


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "http://127.0.0.1:9/schema"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/$defs/none"},
        {"pattern": "("},
        {"pattern": "(?=a)b"},
        {"pattern": r"(a)\1"},
        {"pattern": "(a{1000}){1000}"},
        {"minimum": "x"},
    ],
    ids=str,
)
def test_what_is_no_schema_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(BadMessageError, match="this is no schema"):
        SchemaCheck(schema)


def test_a_pattern_that_would_backtrack_for_ever_does_not() -> None:
    """A hundred times as long is not two to the power of that."""
    assert SchemaCheck({"pattern": "^(a+)+$"}).misfit("a" * 30_000 + "!") is not None


HUGE = "(a{1,60}){1,20}$"


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": HUGE},
        {"patternProperties": {HUGE: {}}},
        {"properties": {f"p{number}": {"pattern": f"(a{number}{{1,9}}){{1,5}}"} for number in range(40)}},
        # In what is referred to from nowhere it would be compiled all the same.
        {"$defs": {"x": {"pattern": HUGE}}, "properties": {"next": {"$ref": "#"}}},
    ],
    ids=["one", "of names", "many", "of a schema that contains itself"],
)
def test_patterns_that_take_long_to_compile_are_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(BadMessageError, match="too large"):
        SchemaCheck(schema)


def test_how_long_it_may_take_is_known_beforehand() -> None:
    """A schema that is referred to again is compiled once, and compared again."""
    once = {"$defs": {"x": {"pattern": "^[a-zA-Z0-9_-]{1,64}$"}}, "$ref": "#/$defs/x"}
    again = {**once, "allOf": [{"$ref": "#/$defs/x"}] * 2}
    assert SchemaCheck({"type": "string"}).byte_ns == STEP_NS
    found, more = SchemaCheck(once).byte_ns, SchemaCheck(again).byte_ns
    assert found is not None
    assert more is not None
    assert found > 16_000 * PATTERN_BYTE_NS
    assert more - found > 2 * 16_000 * PATTERN_BYTE_NS
    assert SchemaCheck({"properties": {"next": {"$ref": "#"}}}).byte_ns is None
    too_often = {**once, "allOf": [{"$ref": "#/$defs/x"}] * (MAX_PATTERNS_BYTES // 16_000)}
    assert SchemaCheck(too_often).byte_ns is None
