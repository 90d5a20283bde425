"""The language as a whole: every conformance vector, for this implementation as for any other."""

import json
from pathlib import Path
from typing import Any

import pytest

import ipc.jsonlex
from ipc.jsonlex import JSONLexError
from ipc.jsonlex.operators import OPERATORS
from tests.ipc.jsonlex.expressions import run

VECTORS = Path(__file__).parents[2] / "vectors" / "jsonlex"
CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted(VECTORS.glob("*.json"))
    for case in json.loads(file.read_text(encoding="utf-8"))
]


def exactly(value: Any) -> str:
    """Return a value as text in which 1, 1.0 and true differ, and the order of members does not count."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("case", CASES)
def test_a_vector(case: dict[str, Any]) -> None:
    expression, context = case["expression"], case.get("context")
    if "result" in case:
        assert exactly(run(expression, context).value) == exactly(case["result"])
        return
    with pytest.raises(JSONLexError) as failed:
        run(expression, context)
    assert failed.value.code == case["error"]
    assert failed.value.pointer == f"/expr{case['pointer']}"
    assert failed.value.details is not None
    assert failed.value.details["pointer"] == failed.value.pointer


def test_the_vectors_use_every_operator() -> None:
    text = "".join(file.read_text(encoding="utf-8") for file in VECTORS.glob("*.json"))
    assert {name for name in OPERATORS if f'"{name}"' not in text} == set()


def test_what_is_exported_is_there() -> None:
    assert all(hasattr(ipc.jsonlex, name) for name in ipc.jsonlex.__all__)
