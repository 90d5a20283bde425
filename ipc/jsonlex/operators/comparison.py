"""Equality, order and membership."""

from collections.abc import Callable
from operator import ge, gt, le, lt
from typing import Any

from ipc.jsonlex.code import Code, Frame, Place, Run
from ipc.jsonlex.errors import kind_of
from ipc.jsonlex.forms import Names, calling, compiled_operands
from ipc.jsonlex.registry import Build, Compiling, enter, special
from ipc.jsonlex.values import SHORT, equal

Compare = Callable[[Any, Any], bool]


@special("$eq", "[a, b]", "Whether two JSON values are the same; 1 is 1.0, true is not 1.")
def eq(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile equality, and that with a short constant to one comparison of Python's."""
    return _equality(compiler, argument, place, names, wanted=True)


@special("$ne", "[a, b]", "Whether two JSON values differ.")
def ne(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile the opposite of equality."""
    return _equality(compiler, argument, place, names, wanted=False)


def _equality(compiler: Compiling, argument: Any, place: Place, names: Names, *, wanted: bool) -> Code:
    left, right = parts = compiled_operands(compiler, argument, place, names, least=2, most=2)
    if left.constant is not right.constant:
        known, asked = (left, right) if left.constant else (right, left)
        run = _equal_to(known.value, asked.run)
        if run is not None:
            return Code(run if wanted else _opposite(run), 1 + left.cost + right.cost, boolean=True)
    function = equal if wanted else _unequal
    return calling(compiler, function, place, parts, boolean=True)


def _equal_to(known: Any, asked: Run) -> Run | None:
    """Return the comparison with a constant for which Python's ``==`` or ``is`` is JSON's equality, if there is one."""
    if known is None or type(known) is bool:
        return lambda context, frame: asked(context, frame) is known
    if type(known) is str and len(known) <= SHORT:
        return lambda context, frame: bool(asked(context, frame) == known)
    if type(known) is int or type(known) is float:

        def run(context: Any, frame: Frame) -> bool:
            value = asked(context, frame)
            return bool(value == known) and type(value) is not bool

        return run
    return None


def _opposite(run: Run) -> Run:
    return lambda context, frame: not run(context, frame)


def _unequal(place: Place, frame: Frame, left: Any, right: Any) -> bool:
    return not equal(place, frame, left, right)


def ordered(place: Place, frame: Frame, left: Any, right: Any) -> bool:
    """Tell whether two values have an order: two numbers or two strings; with null there is none.

    Raises:
        JSONLexError: JSONLEX_TYPE for every other pair.

    """
    kind, other = type(left), type(right)
    if (kind is int or kind is float) and (other is int or other is float):
        return True
    if kind is str and other is str:
        if len(left) > SHORT:
            place.charge_text(frame, min(len(left), len(right)))
        return True
    if left is None or right is None:
        return False
    raise place.wrong_type(f"compares two numbers or two strings, not {kind_of(left)} with {kind_of(right)}")


def _comparison(compare: Compare) -> Build:
    def compared(place: Place, frame: Frame, left: Any, right: Any) -> bool:
        return ordered(place, frame, left, right) and compare(left, right)

    def build(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
        left, right = parts = compiled_operands(compiler, argument, place, names, least=2, most=2)
        if right.constant and not left.constant and type(right.value) in {int, float}:
            run = _compared_to(right.value, left.run, compare, lambda *values: compared(place, *values))
            return Code(run, 1 + left.cost + right.cost, boolean=True)
        return calling(compiler, compared, place, parts, boolean=True)

    return build


def _compared_to(known: float, asked: Run, compare: Compare, otherwise: Callable[[Frame, Any, Any], bool]) -> Run:
    """Return the comparison with a constant number, which is what most conditions on numbers are."""

    def run(context: Any, frame: Frame) -> bool:
        value = asked(context, frame)
        if type(value) is int or type(value) is float:
            return compare(value, known)
        return otherwise(frame, value, known)

    return run


for _name, _compare, _words in (
    ("$gt", gt, "greater than"),
    ("$gte", ge, "greater than or equal to"),
    ("$lt", lt, "less than"),
    ("$lte", le, "less than or equal to"),
):
    enter(
        _name,
        "[a, b]",
        f"Whether a is {_words} b: two numbers, or two strings by code point; false if one is null.",
        _comparison(_compare),
        module=__name__,
    )


@special(
    "$in",
    "[a, array or string]",
    "Whether an array has an item that equals a, or a string has the string a in it; false if the second is null.",
)
def membership(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile a search, and that among constant strings to one look into a set."""
    wanted, among = parts = compiled_operands(compiler, argument, place, names, least=2, most=2)
    constant = among.constant and not wanted.constant and type(among.value) is list
    if constant and {type(item) for item in among.value} == {str}:
        known, asked = frozenset(among.value), wanted.run

        def run(context: Any, frame: Frame) -> bool:
            value = asked(context, frame)
            return type(value) is str and value in known

        return Code(run, 1 + wanted.cost + among.cost, boolean=True)
    return calling(compiler, contains, place, parts, boolean=True)


def contains(place: Place, frame: Frame, wanted: Any, among: Any) -> bool:
    """Look for a value among others."""
    if type(among) is list:
        place.charge(frame, len(among))
        return any(equal(place, frame, wanted, item) for item in among)
    if among is None:
        return False
    if type(among) is not str:
        raise place.wrong_type(f"looks into an array or a string, not into {kind_of(among)}")
    if wanted is None:
        return False
    if type(wanted) is not str:
        raise place.wrong_type(f"looks for a string in a string, not for {kind_of(wanted)}")
    place.charge_text(frame, len(among))
    return wanted in among
