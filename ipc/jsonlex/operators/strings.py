"""Text, by code point."""

from typing import Any, Final

from ipc.jsonlex.code import Frame, Place
from ipc.jsonlex.errors import kind_of
from ipc.jsonlex.forms import array, operands, text, unary
from ipc.jsonlex.values import integer, text_of

WHITE_SPACE: Final = (
    "\t\n\v\f\r \u0085\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f"
    "\u205f\u3000"
)
"""The code points with Unicode's property White_Space; Python strips four more."""


@operands(
    "$concat", "[..]", "The texts in a row; null is nothing, numbers are as JSON writes them.", least=0, most=None
)
def concat(place: Place, frame: Frame, *values: Any) -> str:
    """Join texts without anything between them."""
    return _joined(place, frame, "", values)


@operands("$join", "[array, separator]", "The items of an array as text, with the separator between.", least=2, most=2)
def join(place: Place, frame: Frame, items: Any, separator: Any) -> str:
    """Join the items of an array."""
    return _joined(place, frame, text(place, separator), array(place, items))


def _joined(place: Place, frame: Frame, separator: str, values: tuple[Any, ...] | list[Any]) -> str:
    if values:
        place.charge(frame, len(values) - 1)
        texts = [text_of(place, value) for value in values]
        place.charge_text(frame, sum(map(len, texts)) + len(separator) * (len(texts) - 1))
        return separator.join(texts)
    return ""


@operands(
    "$substring",
    "[string, start, end?]",
    "The code points from start up to, not including, end; both are moved to the nearest that the string has.",
    least=2,
    most=3,
)
def substring(place: Place, frame: Frame, whole: Any, start: Any, end: Any = None) -> str:
    """Take a part of a string."""
    length = len(text(place, whole))
    first = max(integer(place, start, "start"), 0)
    last = length if end is None else min(integer(place, end, "end"), length)
    place.charge_text(frame, last - first)
    return str(whole[first : max(first, last)])


@unary("$length", "How many code points a string, items an array, or members an object has.")
def length_of(place: Place, _frame: Frame, value: Any) -> int:
    """Count the parts of a value."""
    if type(value) is str or type(value) is list or type(value) is dict:
        return len(value)
    raise place.wrong_type(f"takes a string, an array or an object, not {kind_of(value)}")


@unary("$lower", "The string in lower case, by Unicode's rules for all languages.")
def lower(place: Place, frame: Frame, value: Any) -> str:
    """Make text lower case."""
    place.charge_text(frame, len(text(place, value)))
    return str(value.lower())


@unary("$upper", "The string in upper case, by Unicode's rules for all languages.")
def upper(place: Place, frame: Frame, value: Any) -> str:
    """Make text upper case; one code point may become three."""
    place.charge_text(frame, 3 * len(text(place, value)))
    return str(value.upper())


@unary("$trim", "The string without white space at its ends.")
def trim(place: Place, frame: Frame, value: Any) -> str:
    """Strip white space."""
    place.charge_text(frame, len(text(place, value)))
    return str(value.strip(WHITE_SPACE))


@operands(
    "$split",
    "[string, separator]",
    "The parts of a string; its code points if the separator is empty.",
    least=2,
    most=2,
)
def split(place: Place, frame: Frame, value: Any, separator: Any) -> list[str]:
    """Take text apart; the parts are paid for before there are any."""
    place.charge_text(frame, len(text(place, value)))
    if not text(place, separator):
        place.charge(frame, len(value))
        return list(value)
    place.charge(frame, value.count(separator))
    return list(value.split(separator))
