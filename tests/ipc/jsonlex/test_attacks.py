"""Expressions and contexts that are meant to hurt: each ends with its error, before it has grown.

That they end early is seen by what they would be otherwise: hours of work, or more memory than there is.
"""

from typing import Any

import pytest

from ipc.jsonlex import JSONLexError, Limits, compile_expression
from ipc.jsonlex.limits import CHARACTERS_PER_STEP
from ipc.protocol.codes import ErrorCode
from tests.ipc.jsonlex.expressions import run, var, wrapped

LONG = "a" * 200_000
MANY = [*range(30_000)]


def repeat(times: int, initial: Any, expr: Any) -> dict[str, Any]:
    return {"$reduce": {"array": [0] * times, "initial": initial, "expr": expr}}


def nest(depth: int, inner: Any, **levels: Any) -> Any:
    for _ in range(depth):
        inner = levels["around"](inner)
    return inner


BOMBS: dict[str, tuple[Any, Any, ErrorCode]] = {
    "arrays 20 000 deep": (nest(20_000, 1, around=lambda x: [x]), None, ErrorCode.JSONLEX_TOO_DEEP),
    "objects 20 000 deep": (nest(20_000, 1, around=lambda x: {"a": x}), None, ErrorCode.JSONLEX_TOO_DEEP),
    "$not 20 000 deep": (nest(20_000, 1, around=lambda x: {"$not": x}), None, ErrorCode.JSONLEX_TOO_DEEP),
    "$literal 20 000 deep": ({"$literal": nest(20_000, 1, around=lambda x: [x])}, None, ErrorCode.JSONLEX_TOO_DEEP),
    "65 deep with nothing inside": (nest(64, [], around=lambda x: [x]), None, ErrorCode.JSONLEX_TOO_DEEP),
    "a million values": ([0] * 1_000_000, None, ErrorCode.JSONLEX_TOO_LARGE),
    "a million members": ({str(n): 0 for n in range(100_000)}, None, ErrorCode.JSONLEX_TOO_LARGE),
    "a tree of values": (nest(14, 1, around=lambda x: [x, x]), None, ErrorCode.JSONLEX_TOO_LARGE),
    "$concat doubles": (repeat(60, LONG, {"$concat": [var("acc"), var("acc")]}), None, ErrorCode.JSONLEX_TOO_COSTLY),
    "$join doubles": (repeat(60, LONG, {"$join": [[var("acc")] * 9, ""]}), None, ErrorCode.JSONLEX_TOO_COSTLY),
    "$upper grows": (repeat(60, "ﬃ" * 200_000, {"$upper": var("acc")}), None, ErrorCode.JSONLEX_TOO_COSTLY),
    "$mul squares": (repeat(90, 3, {"$mul": [var("acc"), var("acc")]}), None, ErrorCode.JSONLEX_RANGE),
    "$mul of huge integers": ({"$mul": [var("x"), var("x")]}, {"x": 1 << 1_000_000}, ErrorCode.JSONLEX_RANGE),
    "$concat of a huge integer": ({"$concat": [var("x")]}, {"x": 1 << 1_000_000}, ErrorCode.JSONLEX_RANGE),
    "$div of huge integers": ({"$div": [1.5, var("x")]}, {"x": 1 << 1_000_000}, ErrorCode.JSONLEX_RANGE),
    "a huge integer": (var("x"), {"x": 1 << 1_000_000}, ErrorCode.JSONLEX_RANGE),
    "a doubling array": (repeat(90, [1], [var("acc"), var("acc")]), None, ErrorCode.JSONLEX_RESULT_TOO_LARGE),
    "a doubling object": (repeat(90, {}, {"a": var("acc"), "b": var("acc")}), None, ErrorCode.JSONLEX_RESULT_TOO_LARGE),
    "a doubling array, compared": (
        {"$eq": [repeat(90, [1], [var("acc"), var("acc")]), repeat(90, [1], [var("acc"), var("acc")])]},
        None,
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "a doubling array, looked for": (
        {"$in": [repeat(90, [1], [var("acc"), var("acc")]), [repeat(90, [1], [var("acc"), var("acc")])]]},
        None,
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "a doubling array, made unique": (
        {"$unique": repeat(90, [1], [var("acc"), var("acc")])},
        None,
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "a deepening array": (repeat(900, 1, [var("acc")]), None, ErrorCode.JSONLEX_TOO_DEEP),
    "a deepening array, compared": (
        {"$eq": [repeat(900, 1, [var("acc")]), repeat(900, 1, [var("acc")])]},
        None,
        ErrorCode.JSONLEX_TOO_DEEP,
    ),
    "a deepening array, made unique": (
        {"$unique": repeat(900, 1, [var("acc")])},
        None,
        ErrorCode.JSONLEX_TOO_DEEP,
    ),
    "nested $map": (
        nest(12, 1, around=lambda x: {"$map": {"array": [0] * 30, "expr": x}}),
        None,
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "nested $filter": (
        nest(12, True, around=lambda x: {"$filter": {"array": [0] * 30, "condition": x}}),
        None,
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "nested $every": (
        nest(12, True, around=lambda x: {"$every": {"array": [0] * 30, "condition": x}}),
        None,
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "a long array mapped to a long text": (
        {"$map": {"array": var("xs"), "expr": {"$lower": var("s")}}},
        {"xs": MANY, "s": LONG},
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "a long array mapped to itself": (
        {"$map": {"array": var("xs"), "expr": var("xs")}},
        {"xs": MANY},
        ErrorCode.JSONLEX_RESULT_TOO_LARGE,
    ),
    "long texts compared often": (
        {"$filter": {"array": var("xs"), "condition": {"$eq": [var("s"), var("t")]}}},
        {"xs": MANY, "s": LONG, "t": LONG[:-1] + "a"},
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "long texts ordered often": (
        {"$filter": {"array": var("xs"), "condition": {"$lt": [var("s"), var("t")]}}},
        {"xs": MANY, "s": LONG, "t": LONG + "a"},
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "long texts searched often": (
        {"$filter": {"array": var("xs"), "condition": {"$in": ["ab", var("s")]}}},
        {"xs": MANY, "s": LONG},
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "long texts sorted": (
        {"$sort": {"array": var("xs"), "by": {"$if": [{"$mod": [var("item"), 2]}, var("s"), var("t")]}}},
        {"xs": MANY[:5_000], "s": LONG, "t": LONG + "a"},
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "a long text split into its characters": ({"$split": [var("s"), ""]}, {"s": LONG}, ErrorCode.JSONLEX_TOO_COSTLY),
    "a long text split at each character": ({"$split": [var("s"), "a"]}, {"s": LONG}, ErrorCode.JSONLEX_TOO_COSTLY),
    "a long text as a path": (
        {"$map": {"array": var("xs"), "expr": {"$get": [1, var("s")]}}},
        {"xs": MANY, "s": "." * 60},
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "a path of very many segments": ({"$has": [1, var("s")]}, {"s": "." * 100_000}, ErrorCode.JSONLEX_TYPE),
    "a search through many, for each of many": (
        {"$every": {"array": var("xs"), "condition": {"$in": [var("item"), var("xs")]}}},
        {"xs": MANY},
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "an object that grows": (
        {"$reduce": {"array": var("xs"), "initial": var("o"), "expr": {"$merge": [var("acc"), {"a": 1}]}}},
        {"xs": MANY[:9_000], "o": {str(n): n for n in range(9_000)}},
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "a sort in a loop": (
        {"$map": {"array": var("xs"), "expr": {"$sort": var("xs")}}},
        {"xs": MANY[:5_000]},
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
    "a slice in a loop": (
        {"$map": {"array": var("xs"), "expr": {"$slice": [var("xs"), 0]}}},
        {"xs": MANY[:9_000]},
        ErrorCode.JSONLEX_TOO_COSTLY,
    ),
}


@pytest.mark.parametrize(("expression", "context", "code"), BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused(expression: Any, context: Any, code: ErrorCode) -> None:
    with pytest.raises(JSONLexError) as refused:
        run(expression, context)
    assert refused.value.code is code
    assert len(str(refused.value)) < 400


def test_text_is_never_longer_than_its_steps_pay_for() -> None:
    """All that is written together is bounded by the steps, so one text is too."""
    limits = Limits(steps=1_000)
    with pytest.raises(JSONLexError):
        run({"$concat": [var("s"), var("s")]}, {"s": "a" * (1_000 * CHARACTERS_PER_STEP // 2)}, limits)


@pytest.mark.parametrize("depth", [1, 31])
def test_what_is_just_within_the_bounds_works(depth: int) -> None:
    assert run(nest(64, 1, around=lambda x: [x])).value == nest(64, 1, around=lambda x: [x])
    assert run(nest(64, True, around=lambda x: {"$not": x})).value is True
    assert len(run([0] * 9_999).value) == 9_999
    assert run(nest(depth, 7, around=lambda x: {"$map": {"array": [0], "expr": x}})).value == nest(
        depth, 7, around=lambda x: [x]
    )


@pytest.mark.parametrize(
    ("value", "pointer"),
    [
        ("\ud800", "/expr"),
        ({"a": ["\udfff"]}, "/expr/a/0"),
        ({"\ud800": 1}, "/expr"),
        (float("nan"), "/expr"),
        ([float("inf")], "/expr/0"),
        (1 << 5_000, "/expr"),
        ((1, 2), "/expr"),
        ({"a": {1, 2}}, "/expr/a"),
        ({1: 2}, "/expr"),
        (b"bytes", "/expr"),
        ({"$eq": [object(), 1]}, "/expr/$eq/0"),
        ({"$map": {"array": [1], "as": "\ud800", "expr": 1}}, "/expr/$map/as"),
    ],
)
def test_what_is_no_json_is_no_expression(value: Any, pointer: str) -> None:
    with pytest.raises(JSONLexError) as refused:
        compile_expression(wrapped(value))
    assert (refused.value.code, refused.value.pointer) == (ErrorCode.JSONLEX_INVALID, pointer)


@pytest.mark.parametrize("value", [(1, 2), {1: 2}, b"x", {3}, float("nan"), float("-inf"), object(), "\udc00"])
def test_what_is_no_json_does_not_get_through_from_a_context(value: Any) -> None:
    for expression in (var("x"), [var("x")], {"a": {"b": var("x")}}):
        with pytest.raises(JSONLexError) as refused:
            run(expression, {"x": value})
        assert refused.value.code in {ErrorCode.JSONLEX_TYPE, ErrorCode.JSONLEX_RANGE}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "expression",
    [
        {"$add": [var("x")]},
        {"$mod": [var("x"), 1]},
        {"$round": var("x")},
        {"$concat": [var("x")]},
        {"$slice": [[1], var("x")]},
        {"$get": [[1], var("x")]},
    ],
)
def test_what_is_no_number_is_not_computed_with(expression: Any, value: float) -> None:
    with pytest.raises(JSONLexError):
        run(expression, {"x": value})


def test_an_expression_that_contains_itself_is_too_deep() -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(JSONLexError) as refused:
        compile_expression(wrapped(cycle))
    assert refused.value.code is ErrorCode.JSONLEX_TOO_DEEP


def test_names_of_python_are_only_names() -> None:
    context = {"__class__": {"__init__": {"__globals__": 1}}, "__proto__": 2}
    assert run(var("__class__.__init__.__globals__"), context).value == 1
    assert run([var("__dict__"), var("x.__class__"), {"$get": ["text", "__len__"]}], {"x": []}).value == [None] * 3
    assert run({"$merge": [{"__proto__": {"a": 1}}, {}]}).value == {"__proto__": {"a": 1}}


def test_constants_are_not_computed_without_end() -> None:
    """An expression of ten thousand values may not make its compilation dear."""
    heavy = [{"$eq": [["a" * 100] * 40, ["a" * 99 + "b"] * 40]} for _ in range(110)]
    assert run(heavy).value == [False] * 110
