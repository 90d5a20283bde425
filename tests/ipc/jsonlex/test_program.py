"""Compiling and evaluating: the wrapper, copies, the budget, filters and shapes."""

from typing import Any

import pytest

from ipc.jsonlex import JSONLexError, Limits, Result, compile_expression, compile_select, compile_where, evaluate
from ipc.jsonlex.program import CACHED_BYTES, Program
from ipc.protocol.codes import ErrorCode
from tests.ipc.jsonlex.expressions import run, var, wrapped

PUBLIC = {"$eq": [var("data.visibility"), "public"]}


@pytest.mark.parametrize(
    "value",
    [
        None,
        1,
        "text",
        [{"$eq": [1, 1]}],
        {"$eq": [1, 1]},
        {"__jsonlex": False, "expr": {"$nope": 1}},
        {"__jsonlex": 1, "expr": {"$nope": 1}},
        {"__jsonlex": "true", "expr": 1},
        {"expr": {"$var": "x"}},
        {"$nope": 1},
    ],
)
def test_what_has_no_wrapper_is_returned_as_it_is(value: Any) -> None:
    result = evaluate(value, {"x": 1})
    assert result.value is value
    assert result.cost == 0


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ({"__jsonlex": True}, ""),
        ({"__jsonlex": True, "expr": 1, "more": 2}, "/more"),
        ({"__jsonlex": True, "expr": {"a": {"$nope": 1}}}, "/expr/a/$nope"),
    ],
)
def test_a_wrapper_has_the_expression_and_nothing_else(value: Any, pointer: str) -> None:
    with pytest.raises(JSONLexError) as refused:
        compile_expression(value)
    assert (refused.value.code, refused.value.pointer) == (ErrorCode.JSONLEX_INVALID, pointer)
    assert not refused.value.retryable


def test_a_program_serves_many_contexts_and_one_that_fails_disturbs_no_other() -> None:
    program = compile_expression(wrapped({"$add": [var("n"), 1]}))
    good, bad, last = program.evaluate_each([{"n": 1}, {"n": "1"}, {"n": 2}])
    assert (good, last) == (program.evaluate({"n": 1}), program.evaluate({"n": 2}))
    assert isinstance(good, Result)
    assert good.value == 2
    assert isinstance(bad, JSONLexError)
    assert bad.code is ErrorCode.JSONLEX_TYPE


def test_programs_are_remembered_by_content_not_by_object() -> None:
    first = compile_expression(wrapped({"$eq": [1, var("x")]}))
    assert compile_expression(wrapped({"$eq": [1, var("x")]})).code is first.code
    assert compile_expression(wrapped({"$eq": [1.0, var("x")]})).code is not first.code
    assert compile_expression(wrapped({"$eq": [True, var("x")]})).evaluate({"x": 1}).value is False


def test_members_keep_the_order_of_their_own_expression() -> None:
    """Even when the same members in another order were compiled before."""
    assert [*run({"b": var("x"), "a": 1}).value] == ["b", "a"]
    assert [*run({"a": 1, "b": var("x")}).value] == ["a", "b"]


def test_what_is_long_is_not_remembered() -> None:
    expression = wrapped([var("x"), "a" * CACHED_BYTES])
    assert compile_expression(expression).code is not compile_expression(expression).code


def test_changing_an_expression_or_a_result_changes_no_program() -> None:
    expression = wrapped({"list": {"$literal": [1]}, "x": var("x")})
    program, context = compile_expression(expression), {"x": [2]}
    expression["expr"]["list"]["$literal"].append("changed")
    result = program.evaluate(context).value
    result["list"].append("changed")
    result["x"].append("changed")
    assert program.evaluate(context).value == {"list": [1], "x": [2]}
    assert context == {"x": [2]}


def test_a_result_that_repeats_a_part_has_a_copy_of_each() -> None:
    first, second = run([var("x"), var("x")], {"x": []}).value
    assert first is not second


def test_the_steps_that_are_certain_are_taken_first() -> None:
    cost = run({"$add": [1, var("x")]}, {"x": 1}).cost
    assert run({"$add": [1, var("x")]}, {"x": 1}, Limits(steps=cost)).value == 2
    with pytest.raises(JSONLexError) as refused:
        run({"$add": [1, var("x")]}, {"x": 1}, Limits(steps=cost - 1))
    assert refused.value.code is ErrorCode.JSONLEX_TOO_COSTLY


def test_a_predicate_takes_conditions_with_and_without_the_wrapper() -> None:
    for where in (PUBLIC, wrapped(PUBLIC)):
        matches = compile_where(where).matches
        assert matches({"data": {"visibility": "public"}}) is True
        assert matches({"data": {"visibility": "private"}}) is False
        assert matches({"data": {}}) is False
        assert matches({"data": []}) is False
        assert matches(None) is False


@pytest.mark.parametrize(
    ("tags", "expected"), [([], True), ({}, True), ("x", True), ("", False), (0, False), (None, False)]
)
def test_a_predicate_gives_truth_not_values(tags: Any, expected: bool) -> None:
    assert compile_where(var("data.tags")).matches({"data": {"tags": tags}}) is expected


def test_a_predicate_has_loop_variables_of_its_own_in_each_evaluation() -> None:
    matches = compile_where({"$some": {"array": var("xs"), "condition": {"$eq": [var("item"), 1]}}}).matches
    assert [matches({"xs": xs}) for xs in ([1], [2], [2, 1], [])] == [True, False, True, False]


@pytest.mark.parametrize(
    "where", [{}, {"visibility": "public"}, [], [PUBLIC], "public", 1, 0, None, wrapped({"a": 1}), wrapped("x")]
)
def test_a_condition_that_would_be_the_same_for_all_events_is_refused(where: Any) -> None:
    with pytest.raises(JSONLexError) as refused:
        compile_where(where)
    assert refused.value.code is ErrorCode.JSONLEX_INVALID


@pytest.mark.parametrize("where", [True, False])
def test_a_condition_may_be_true_or_false(where: bool) -> None:
    assert compile_where(where).matches({}) is where


def test_a_predicate_fails_as_its_expression_does() -> None:
    with pytest.raises(JSONLexError) as failed:
        compile_where({"$gt": [var("data.n"), 1]}).matches({"data": {"n": "2"}})
    assert (failed.value.code, failed.value.pointer) == (ErrorCode.JSONLEX_TYPE, "/$gt")


def test_a_predicate_has_a_budget() -> None:
    where = {"$some": {"array": var("xs"), "condition": var("item")}}
    with pytest.raises(JSONLexError) as failed:
        compile_where(where).matches({"xs": [0] * 60_000})
    assert failed.value.code is ErrorCode.JSONLEX_TOO_COSTLY
    with pytest.raises(JSONLexError):
        compile_where(where, Limits(steps=3))


def test_a_projection_shapes_and_writes() -> None:
    select = compile_select({"id": var("data.id"), "words": {"$split": [var("data.text"), " "]}})
    context = {"data": {"id": "1", "text": "a b", "more": 1}}
    assert select.shape(context) == {"id": "1", "words": ["a", "b"]}
    assert select.encode(context) == b'{"id":"1","words":["a","b"]}'
    assert compile_select(wrapped(var("data"))).shape(context) == context["data"]


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("context", "code"),
    [
        ("x" * 1_100_000, ErrorCode.JSONLEX_RESULT_TOO_LARGE),
        ("\x00" * 200_000, ErrorCode.JSONLEX_RESULT_TOO_LARGE),
        ("\ud800", ErrorCode.JSONLEX_TYPE),
        (nested(5_000), ErrorCode.JSONLEX_TOO_DEEP),
    ],
    ids=["long", "long when it is escaped", "surrogate", "deep"],
)
def test_both_ways_of_a_projection_refuse_the_same(context: Any, code: ErrorCode) -> None:
    select = compile_select({"a": var("")})
    for result_of in (select.shape, select.encode):
        with pytest.raises(JSONLexError) as refused:
            result_of(context)
        assert refused.value.code is code


def test_a_program_is_a_value() -> None:
    assert isinstance(compile_expression(None), Program)
    with pytest.raises(AttributeError):
        compile_expression(None).plain = False  # type: ignore[misc]
