"""Truth, equality and the writing of JSON values.

Python has rules of its own for these (``True == 1``, an empty list is false, ``str(1.0)`` is ``1.0``), so nothing here
leaves them to Python without having looked at the types.
"""

from collections.abc import Iterable
from decimal import Decimal
from math import isfinite
from typing import Any, Final

from ipc.jsonlex.code import Frame, Place
from ipc.jsonlex.errors import JSONLexError, kind_of
from ipc.jsonlex.limits import INTEGER_MAX, INTEGER_MIN, VALUE_DEPTH
from ipc.protocol.codes import ErrorCode

SHORT: Final = 64
"""Text of up to so many code points is compared without a charge."""


def truthy(value: Any) -> bool:
    """Tell whether a condition holds: all values but false, 0, "" and null."""
    return bool(value) or type(value) is list or type(value) is dict


def equal(place: Place, frame: Frame, left: Any, right: Any) -> bool:
    """Tell whether two JSON values are the same: numbers by what they are worth, objects in any order."""
    return _equal(place, frame, left, right, VALUE_DEPTH)


def _equal(place: Place, frame: Frame, left: Any, right: Any, depth: int) -> bool:
    if left is right:
        return True
    kind = type(left)
    if kind is str:
        return type(right) is str and _same_text(place, frame, left, right)
    if kind is int or kind is float:
        return (type(right) is int or type(right) is float) and bool(left == right)
    # Booleans and null are one object each, so two of those that got here differ.
    return (kind is list or kind is dict) and type(right) is kind and _same_parts(place, frame, left, right, depth)


def _same_parts(place: Place, frame: Frame, left: Any, right: Any, depth: int) -> bool:
    if len(left) != len(right):
        return False
    if depth == 0:
        raise _too_deep(place)
    place.charge(frame, 1 + 2 * len(left))
    if type(left) is list:
        pairs: Iterable[tuple[Any, Any]] = zip(left, right, strict=True)
    elif left.keys() == right.keys():
        pairs = ((value, right[name]) for name, value in left.items())
    else:
        return False
    # A loop: all() with a generator takes half as long again, and this is what hostile values spend steps on.
    for one, other in pairs:  # noqa: SIM110
        if not _equal(place, frame, one, other, depth - 1):
            return False
    return True


def _same_text(place: Place, frame: Frame, left: str, right: str) -> bool:
    length = len(left)
    if length != len(right):
        return False
    if length > SHORT:
        place.charge_text(frame, length)
    return left == right


def _too_deep(place: Place) -> JSONLexError:
    return JSONLexError(
        f"{place.name}: a value is nested more than {VALUE_DEPTH} deep",
        code=ErrorCode.JSONLEX_TOO_DEEP,
        pointer=place.pointer,
        limit=VALUE_DEPTH,
    )


def identity(place: Place, frame: Frame, value: Any) -> Any:
    """Return something hashable that is the same for equal JSON values, and different for different ones.

    That of an array or object is text, because the hashes of tuples and numbers can be made to collide.
    """
    kind = type(value)
    if kind is str:
        place.charge_text(frame, len(value))
        return value
    if kind is int or kind is float:
        return value
    if kind is bool or value is None:
        return (value, None)
    parts: list[str] = []
    _canonical(place, frame, value, VALUE_DEPTH, parts)
    return "".join(parts).encode("utf-8", "surrogatepass")


def _canonical(place: Place, frame: Frame, value: Any, depth: int, parts: list[str]) -> None:
    kind = type(value)
    if kind is not list and kind is not dict:
        parts.append(_canonical_scalar(place, frame, value))
        return
    if depth == 0:
        raise _too_deep(place)
    place.charge(frame, 1 + 2 * len(value))
    # How many parts there are makes it one text, without brackets at the end.
    parts.append(f"{'[' if kind is list else '{'}{len(value)}")
    if kind is list:
        for item in value:
            _canonical(place, frame, item, depth - 1, parts)
    else:
        for name in sorted(value):
            parts.append(_canonical_scalar(place, frame, name))
            _canonical(place, frame, value[name], depth - 1, parts)


def _canonical_scalar(place: Place, frame: Frame, value: Any) -> str:
    if type(value) is str:
        place.charge_text(frame, len(value))
        return f"'{len(value)}'{value}"
    if type(value) is float and value.is_integer():
        value = int(value)
    if type(value) is int:
        place.charge_text(frame, value.bit_length())
        return f"#{value:x};"
    return f"#{value};"


def number(place: Place, value: Any) -> int | float:
    """Return a value that is a number to compute with.

    Raises:
        JSONLexError: JSONLEX_TYPE, or JSONLEX_RANGE for an integer of more than 64 bits.

    """
    if type(value) is float:
        if not isfinite(value):
            raise place.out_of_range(f"{value} is no JSON number")
        return value
    if type(value) is not int:
        raise place.wrong_type(f"takes numbers, not {kind_of(value)}")
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise place.out_of_range(f"computes with integers from {INTEGER_MIN} to {INTEGER_MAX}, not with longer ones")
    return value


def finite(place: Place, result: int | float) -> int | float:
    """Return a computed number, a whole one as an integer where that is exact.

    Raises:
        JSONLexError: JSONLEX_RANGE, the result is infinite, no number, or an integer of more than 64 bits.

    """
    if isinstance(result, int):
        if not INTEGER_MIN <= result <= INTEGER_MAX:
            raise place.out_of_range(f"an integer result is from {INTEGER_MIN} to {INTEGER_MAX}")
        return result
    if not isfinite(result):
        raise place.out_of_range("the result is no finite number")
    return int(result) if result.is_integer() and -(2**53) <= result <= 2**53 else result


def integer(place: Place, value: Any, what: str) -> int:
    """Return a whole number, such as an index, which JSON may have written as ``1.0``."""
    if type(value) is float and value.is_integer() and INTEGER_MIN <= value <= INTEGER_MAX:
        return int(value)
    if type(value) is not int or not INTEGER_MIN <= value <= INTEGER_MAX:
        raise place.wrong_type(f"{what} is a whole number, not {kind_of(value) if type(value) is not float else value}")
    return value


def text_of(place: Place, value: Any) -> str:
    """Return a value as the text operators write it: null as nothing, numbers as JSON does, without a needless ``.0``.

    Raises:
        JSONLexError: JSONLEX_TYPE for arrays and objects, JSONLEX_RANGE for an integer of more than 64 bits.

    """
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return] # its type was looked at
    if value is None:
        return ""
    if kind is bool:
        return "true" if value else "false"
    if kind is list or kind is dict:
        raise place.wrong_type(f"writes texts, numbers, booleans and null, not {kind_of(value)}")
    return number_text(number(place, value))


def number_text(value: int | float) -> str:
    """Return a number as ECMAScript and RFC 8785 write it: ``1``, ``0.1``, ``1e+21``, ``1e-7``."""
    if isinstance(value, int):
        return str(value)
    if value.is_integer() and abs(value) < 1e21:  # noqa: PLR2004 - from there on ECMAScript writes exponents
        return _digits(value)
    if 1e-6 <= abs(value) < 1e21:  # noqa: PLR2004 - the same rule for small numbers
        return format(Decimal(repr(value)), "f")
    mantissa, _, exponent = repr(value).partition("e")
    mantissa = mantissa.removesuffix(".0")
    return f"{mantissa}e{int(exponent):+d}"


def _digits(value: float) -> str:
    """Return a whole number as its shortest digits filled up with zeros, not as all the digits of the double."""
    return format(Decimal(repr(value)).to_integral_value(), "f").removeprefix("-" if value == 0 else "")
