"""What holds for every expression and every context, tried with generated ones."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ipc.jsonlex import JSONLexError, Limits, compile_expression, compile_select, compile_where
from ipc.jsonlex.errors import CODES
from ipc.jsonlex.limits import DEFAULT_LIMITS
from ipc.jsonlex.operators import OPERATORS
from tests.ipc.jsonlex.expressions import run, var, wrapped

NAMES = st.sampled_from(["a", "b", "item", "acc", "x.y", "", "__proto__"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from([0, 1, 1.0, True, "", "1", "a.b"])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=8
)
PATHS = st.sampled_from(["", "a", "b", "a.b", "a.0", "item", "item.a", "acc", "missing", "a.b.c"])
CONTEXTS = st.fixed_dictionaries({"a": VALUES, "b": VALUES})


def loops(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Loops of the right shape, whose arrays are often arrays."""
    arrays = st.lists(inner, max_size=4) | inner
    names = {"as": st.sampled_from(["item", "a", "x"])}
    return (
        st.builds(
            lambda given: {"$map": given}, st.fixed_dictionaries({"array": arrays, "expr": inner}, optional=names)
        )
        | st.builds(
            lambda name, given: {name: given},
            st.sampled_from(["$filter", "$some", "$every"]),
            st.fixed_dictionaries({"array": arrays, "condition": inner}, optional=names),
        )
        | st.builds(
            lambda given: {"$reduce": given}, st.fixed_dictionaries({"array": arrays, "initial": inner, "expr": inner})
        )
        | st.builds(lambda given: {"$sort": given}, st.fixed_dictionaries({"array": arrays, "by": inner}))
    )


def operations(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Any operator over one to three operands: often of the right shape, sometimes not."""
    return st.builds(
        lambda name, given: {name: given},
        st.sampled_from(sorted(OPERATORS)),
        st.lists(inner, min_size=2, max_size=2) | st.lists(inner, max_size=3) | inner,
    )


EXPRESSIONS = st.recursive(
    SCALARS | PATHS.map(var) | VALUES.map(lambda value: {"$literal": value}),
    lambda inner: (
        operations(inner) | loops(inner) | st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
    ),
    max_leaves=12,
)


def outcome(expression: Any, context: Any, limits: Limits = DEFAULT_LIMITS) -> str:
    """Return the result or the error as text in which 1, 1.0 and true differ."""
    try:
        value, cost = run(expression, context, limits)
    except JSONLexError as error:
        # An error of another kind fails the test by itself.
        assert error.code in CODES  # noqa: PT017 - whether there is one is what is to be found out
        return f"{error.code} {error.pointer}"
    assert 0 < cost <= limits.steps
    return json.dumps(value, allow_nan=False)


@settings(max_examples=400)
@given(EXPRESSIONS, CONTEXTS)
def test_there_is_a_json_result_or_an_error_of_ours_and_always_the_same(expression: Any, context: Any) -> None:
    before = json.dumps([expression, context])
    first = outcome(expression, context)
    assert outcome(json.loads(json.dumps(expression)), json.loads(json.dumps(context))) == first
    assert json.dumps([expression, context]) == before


@settings(max_examples=200)
@given(EXPRESSIONS, CONTEXTS, CONTEXTS)
def test_a_program_gives_what_one_step_gives_whatever_it_was_used_for_before(
    expression: Any, before: Any, context: Any
) -> None:
    try:
        program = compile_expression(wrapped(expression))
    except JSONLexError as error:
        assert outcome(expression, context) == f"{error.code} {error.pointer}"  # noqa: PT017 - a result like others
        return
    _, result = program.evaluate_each([before, context])
    if isinstance(result, JSONLexError):
        assert outcome(expression, context) == f"{result.code} {result.pointer}"
    else:
        assert json.dumps(result.value) == outcome(expression, context)


@settings(max_examples=200)
@given(EXPRESSIONS, CONTEXTS)
def test_filters_and_shapes_agree_with_the_expression(expression: Any, context: Any) -> None:
    result = outcome(expression, context)
    try:
        shaped = json.dumps(compile_select(expression).shape(context))
    except JSONLexError as error:
        shaped = f"{error.code} /expr{error.pointer}" if error.pointer or "INVALID" in result else f"{error.code} "
    assert shaped == result
    truth = outcome({"$not": {"$not": expression}}, context)
    if truth in {"true", "false"}:
        try:
            assert json.dumps(compile_where(expression).matches(context)) == truth
        except JSONLexError as error:
            assert "the same for all" in error.message  # noqa: PT017 - the other outcome is a result


@settings(max_examples=200)
@given(EXPRESSIONS, CONTEXTS)
def test_a_budget_that_was_enough_is_enough_again_and_one_step_less_is_not(expression: Any, context: Any) -> None:
    try:
        value, cost = run(expression, context)
    except JSONLexError:
        return
    again = run(expression, context, Limits(steps=cost))
    assert (json.dumps(again.value), again.cost) == (json.dumps(value), cost)
    assert outcome(expression, context, Limits(steps=cost - 1)).startswith("JSONLEX_TOO_COSTLY")


@settings(max_examples=200)
@given(st.lists(st.integers(0, 9), max_size=30), st.integers(0, 9))
def test_more_items_cost_more(items: list[int], more: int) -> None:
    for expression in (
        {"$map": {"array": var("xs"), "expr": {"$add": [var("item"), 1]}}},
        {"$add": var("xs")},
        {"$unique": var("xs")},
        {"$sort": var("xs")},
        {"$in": [-1, var("xs")]},
        {"$join": [var("xs"), "-" * 40]},
    ):
        assert run(expression, {"xs": items}).cost < run(expression, {"xs": [*items, more, more]}).cost


def with_variables(value: Any, constants: dict[str, Any]) -> Any:
    """Return an expression whose operands come from the context, so that nothing can be computed before."""
    if isinstance(value, list):
        return [with_variables(item, constants) for item in value]
    if isinstance(value, dict):
        if "$var" in value:
            return value
        if "$literal" in value:
            return constant_from_context(value["$literal"], constants)
        return {name: with_variables(member, constants) for name, member in value.items()}
    return constant_from_context(value, constants)


def constant_from_context(value: Any, constants: dict[str, Any]) -> Any:
    name = f"constant{len(constants)}"
    constants[name] = value
    return {"$var": name}


STRICT = sorted(set(OPERATORS) - {"$var", "$literal", "$map", "$filter", "$some", "$every", "$reduce", "$sort"})
CLOSED = st.recursive(
    SCALARS | VALUES.map(lambda value: {"$literal": value}),
    lambda inner: st.builds(
        lambda name, given: {name: given}, st.sampled_from(STRICT), st.lists(inner, min_size=1, max_size=3) | inner
    ),
    max_leaves=8,
)


@settings(max_examples=400)
@given(CLOSED)
def test_computing_constants_before_changes_no_result(expression: Any) -> None:
    constants: dict[str, Any] = {}
    unfolded = with_variables(expression, constants)
    assert outcome(unfolded, constants) == outcome(expression, None)


@given(VALUES)
def test_a_literal_is_what_it_says(value: Any) -> None:
    assert json.dumps(run({"$literal": value}).value) == json.dumps(value)
    assert json.dumps(run([{"$literal": {"$var": value}}]).value) == json.dumps([{"$var": value}])


@given(VALUES, VALUES)
def test_equality_agrees_with_sets_and_itself(left: Any, right: Any) -> None:
    context = {"a": left, "b": right}
    equal = run({"$eq": [var("a"), var("b")]}, context).value
    assert equal is run({"$eq": [var("b"), var("a")]}, context).value
    assert equal is run({"$eq": [var("a"), {"$literal": right}]}, context).value
    assert equal is not run({"$ne": [var("a"), var("b")]}, context).value
    assert equal is (run({"$length": {"$unique": [var("a"), var("b")]}}, context).value == 1)
    assert equal is run({"$in": [var("a"), [var("b")]]}, context).value
    assert run({"$eq": [var("a"), {"$literal": left}]}, context).value is True


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_that_was_written_reads_the_same(number: float) -> None:
    text = run({"$concat": [var("n")]}, {"n": number}).value
    assert float(text) == number
    assert "E" not in text
    assert not text.endswith(".0")


def test_a_program_from_one_limit_does_not_serve_another() -> None:
    """What was compiled within wide limits is refused within narrow ones."""
    expression = wrapped([[var("x")]])
    compile_expression(expression)
    try:
        compile_expression(expression, Limits(depth=2))
    except JSONLexError as error:
        assert error.code == "JSONLEX_TOO_DEEP"  # noqa: PT017 - the else is what fails
    else:
        raise AssertionError("three levels were taken for two")
