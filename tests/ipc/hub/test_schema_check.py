"""A compiled schema: what does not fit and where, and that a hostile one reaches nothing and holds nothing up."""

from typing import Any

import pytest

from ipc.hub.schema_check import SchemaCheck
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
