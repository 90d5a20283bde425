"""Fields that take what their JSON type says, and nothing that could be made into it."""

from typing import Any

import pytest
from rest_framework import serializers

from bridge.api.fields import Flag, Text, WholeNumber, Words

LIMIT: dict[str, Any] = {"min_value": 1, "max_value": 1_000}


@pytest.mark.parametrize(
    ("field", "given", "taken"),
    [
        (Text(), " a ", " a "),
        (Flag(), False, False),
        (WholeNumber(**LIMIT), 5, 5),
        (WholeNumber(**LIMIT), 5.0, 5),
        (WholeNumber(in_address=True, **LIMIT), "5", 5),
        (Words(), "a", ["a"]),
        (Words(), ["a", "b"], ["a", "b"]),
    ],
)
def test_what_is_of_its_type_is_taken(field: Any, given: Any, taken: Any) -> None:
    found = field.run_validation(given)
    assert (found, type(found)) == (taken, type(taken))


WRONG: list[tuple[serializers.Field[Any, Any, Any, Any], list[Any]]] = [
    (Text(), [5, True, None, "", [], {}, "a\x00"]),
    (Flag(), ["true", "yes", 1, 0, None, []]),
    (WholeNumber(**LIMIT), ["5", 5.5, True, 0, 1_001, 10**400, 1e999, None, []]),
    (WholeNumber(in_address=True, **LIMIT), ["5.0", " 5", "٣", "-1", "0", "1" * 5_000, "", 5]),
    (Words(), [[], [5], {}, None, "x" * 257, ""]),
]


@pytest.mark.parametrize(("field", "given"), [(field, each) for field, wrong in WRONG for each in wrong], ids=str)
def test_everything_else_is_refused(field: Any, given: Any) -> None:
    with pytest.raises(serializers.ValidationError):
        field.run_validation(given)
