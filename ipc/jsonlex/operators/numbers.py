"""Arithmetic: integers exactly in 64 bits, all else as IEEE 754 doubles, never infinite or no number."""

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Context, Decimal
from math import fmod
from operator import add, mul, sub
from typing import Any, Final

from ipc.jsonlex.code import Code, Frame, Place, Run
from ipc.jsonlex.forms import Function, Names, array, calling, compiled_operands, operands, series
from ipc.jsonlex.operators.comparison import ordered
from ipc.jsonlex.registry import Build, Compiling, enter, special
from ipc.jsonlex.values import finite, integer, number

MAX_DIGITS: Final = 15
SHORT: Final = 2**31
"""The sum and the product of integers that are closer to 0 have 64 bits."""
_EXACT: Final = Context(prec=64)


Compute = Callable[[Any, Any], Any]


def _arithmetic(compute: Compute, neutral: int | None) -> Build:
    """Return how an operator is compiled that computes with two numbers, or with any number from left to right."""

    def pair(place: Place, _frame: Frame, left: Any, right: Any) -> int | float:
        return finite(place, compute(number(place, left), number(place, right)))

    def whole(place: Place, frame: Frame, values: Any) -> int | float:
        place.charge(frame, len(array(place, values)))
        result: int | float = neutral or 0
        for value in values:
            # Whole at each step, so that nothing grows past 64 bits.
            result = finite(place, compute(result, number(place, value)))
        return result

    def build(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
        if neutral is not None and (type(argument) is not list or len(argument) != 2):  # noqa: PLR2004 - two operands
            return calling(compiler, whole, place, [compiler.expression(argument, place.pointer, names)])
        left, right = parts = compiled_operands(compiler, argument, place, names, least=2, most=2)
        if left.constant and right.constant:
            return calling(compiler, pair, place, parts)
        return Code(_quick(compute, pair, place, left.run, right.run), 1 + left.cost + right.cost)

    return build


def _quick(compute: Compute, otherwise: Function, place: Place, left: Run, right: Run) -> Run:
    """Return the computation that does not look at its result where both are integers of half the length."""

    def run(context: Any, frame: Frame) -> Any:
        one, other = left(context, frame), right(context, frame)
        if type(one) is int and type(other) is int and -SHORT < one < SHORT and -SHORT < other < SHORT:
            return compute(one, other)
        return otherwise(place, frame, one, other)

    return run


for _name, _form, _doc, _compute, _neutral in (
    ("$add", "[..] or an array", "The sum; 0 of none.", add, 0),
    ("$mul", "[..] or an array", "The product; 1 of none.", mul, 1),
    ("$sub", "[a, b]", "a less b.", sub, None),
):
    enter(_name, _form, _doc, _arithmetic(_compute, _neutral), module=__name__)


@operands("$div", "[a, b]", "a divided by b; a whole number where the division leaves no rest.", least=2, most=2)
def div(place: Place, _frame: Frame, left: Any, right: Any) -> int | float:
    """Divide; integers that divide exactly stay exact."""
    dividend, divisor = number(place, left), number(place, right)
    if divisor == 0:
        raise place.out_of_range("divides by zero")
    if type(dividend) is int and type(divisor) is int and dividend % divisor == 0:
        return finite(place, dividend // divisor)
    return finite(place, dividend / divisor)


@operands("$mod", "[a, b]", "The rest of a divided by b, with the sign of a.", least=2, most=2)
def mod(place: Place, _frame: Frame, left: Any, right: Any) -> int | float:
    """Return the rest of the division that rounds towards zero."""
    dividend, divisor = number(place, left), number(place, right)
    if divisor == 0:
        raise place.out_of_range("divides by zero")
    if type(dividend) is int and type(divisor) is int:
        rest = abs(dividend) % abs(divisor)
        return -rest if dividend < 0 else rest
    return finite(place, fmod(dividend, divisor))


@series("$min", "[..] or an array", "The least of numbers, or of strings by code point; null of none.")
def least(place: Place, frame: Frame, values: list[Any]) -> Any:
    """Find the least; the first of equal ones."""
    return _extreme(place, frame, values, sign=-1)


@series("$max", "[..] or an array", "The greatest of numbers, or of strings by code point; null of none.")
def greatest(place: Place, frame: Frame, values: list[Any]) -> Any:
    """Find the greatest; the first of equal ones."""
    return _extreme(place, frame, values, sign=1)


def _extreme(place: Place, frame: Frame, values: list[Any], *, sign: int) -> Any:
    place.charge(frame, len(values))
    if not values:
        return None
    best, *rest = values
    if not ordered(place, frame, best, best):
        raise place.wrong_type("takes numbers or strings, not null")
    for value in rest:
        if not ordered(place, frame, best, value):
            raise place.wrong_type("takes numbers or strings, not null")
        if value > best if sign > 0 else value < best:
            best = value
    return best


@special("$round", "x or [x, digits]", "x rounded to a whole number, or to 0 to 15 digits; halves away from zero.")
def rounding(compiler: Compiling, argument: Any, place: Place, names: Names) -> Code:
    """Compile with or without the number of digits."""
    if type(argument) is list:
        parts = compiled_operands(compiler, argument, place, names, least=1, most=2)
    else:
        parts = [compiler.expression(argument, place.pointer, names)]
    return calling(compiler, rounded, place, parts)


def rounded(place: Place, _frame: Frame, value: Any, digits: Any = 0) -> int | float:
    """Round the number that JSON writes, not the binary one behind it: 2.675 becomes 2.68."""
    given, places = number(place, value), integer(place, digits, "the number of digits")
    if not 0 <= places <= MAX_DIGITS:
        raise place.out_of_range(f"rounds to 0 to {MAX_DIGITS} digits, not {places}")
    if isinstance(given, int) or given.is_integer():
        return finite(place, given)
    return finite(place, float(Decimal(repr(given)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)))
