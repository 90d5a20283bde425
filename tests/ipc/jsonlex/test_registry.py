"""The reference page has every operator as the table says it, and every example on it gives what it says."""

import json
from dataclasses import asdict
from typing import Any

import pytest

from ipc.jsonlex import JSONLexError, Limits
from ipc.jsonlex.errors import CODES
from ipc.jsonlex.operators import FAMILIES, OPERATORS
from ipc.jsonlex.registry import special
from tests.ipc.jsonlex.expressions import run
from tests.markdown import ROOT, codes, fences, table, tables

PAGE = ROOT / "docs" / "reference" / "jsonlex.md"
CONTEXT = json.loads(next(fence.text for fence in fences(PAGE)[1:] if fence.language == "json"))
EXAMPLES = [row for rows in tables(PAGE) if "example" in rows[0] for row in rows]
PYTHON = next(fence.text for fence in fences(PAGE) if fence.language == "python")


def outcome(expression: Any) -> str:
    try:
        return json.dumps(run(expression, CONTEXT).value, ensure_ascii=False)
    except JSONLexError as error:
        return error.code.value


def test_the_page_has_each_operator_with_what_it_takes_and_gives() -> None:
    shown = [
        (codes(row["operator"])[0], codes(row["takes"])[0], row["result"])
        for rows in tables(PAGE)
        if "operator" in rows[0]
        for row in rows
    ]
    families = [family.__name__.rpartition(".")[2] for family in FAMILIES]
    entered = sorted(OPERATORS.values(), key=lambda operator: families.index(operator.family))
    assert shown == [(operator.name, operator.form, operator.doc) for operator in entered]


@pytest.mark.parametrize("row", EXAMPLES, ids=[row["example"] for row in EXAMPLES])
def test_an_example_gives_what_the_page_says(row: dict[str, str]) -> None:
    gives = codes(row["gives"])[0]
    expected = gives if gives.startswith("JSONLEX") else json.dumps(json.loads(gives), ensure_ascii=False)
    assert outcome(json.loads(codes(row["example"])[0])) == expected


def test_each_operator_has_an_example() -> None:
    assert {name for name in OPERATORS if not any(f'{{"{name}": ' in row["example"] for row in EXAMPLES)} == set()


def test_the_page_has_the_limits_and_the_codes() -> None:
    limits = table(PAGE, "limit", "value", "code", "counted when")
    assert {codes(row["limit"])[0]: int(row["value"]) for row in limits} == asdict(Limits())
    assert [codes(row["code"])[0] for row in table(PAGE, "code", "when")] == [code.value for code in CODES]


def test_the_python_of_the_page_does_what_its_comments_say() -> None:
    names: dict[str, Any] = {}
    checked = 0
    for line in PYTHON.splitlines():
        code, _, said = line.partition("  # ")
        if not said:
            exec(code, names)  # noqa: S102 - the page is ours
        elif " or " not in said:
            assert repr(eval(code, names)) == said  # noqa: S307 - the page is ours
            checked += 1
    assert checked == 4


def test_a_name_is_entered_once() -> None:
    with pytest.raises(ValueError, match=r"\$eq is in the table already"):
        special("$eq", "", "")(OPERATORS["$eq"].build)
