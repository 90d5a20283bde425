"""What leaves an evaluation: a value of its own, measured before it is copied.

A result may hold parts of the context or of the compiled expression, and one part many times over, so that a few steps
could make one of any size. Each part is therefore measured once, wherever it stands; what is small enough is copied,
and whoever gets it may change it.
"""

from math import isfinite
from typing import Any, Final

import msgspec

from ipc.jsonlex.errors import JSONLexError, kind_of
from ipc.jsonlex.limits import INTEGER_BITS, VALUE_DEPTH, Limits
from ipc.protocol.codes import ErrorCode

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder()

USUAL: Final = 2**63

SHORT_EVALUATION: Final = 200
"""Steps of an evaluation whose result may be written before it is measured."""


def own(value: Any, limits: Limits) -> Any:
    """Return a copy of a result that shares nothing with what it was made of.

    Raises:
        JSONLexError: JSONLEX_RESULT_TOO_LARGE, JSONLEX_TOO_DEEP; JSONLEX_TYPE or JSONLEX_RANGE where the context had
            what is no JSON value.

    """
    kind = type(value)
    if kind is bool or value is None:
        return value
    if kind is list or kind is dict:
        _Measure(limits.result_bytes).size(value, VALUE_DEPTH)
        return _decoder.decode(_encoded(value, limits))
    if kind is not str:
        _check_number(value)
    _encoded(value, limits)
    return value


def written(value: Any, limits: Limits, *, steps: int) -> bytes:
    """Return the JSON of a result that was made of decoded JSON, without measuring it where that is safe.

    Raises:
        JSONLexError: as `own` does.

    """
    # One step puts at most one part of the context into the result, so a short evaluation cannot have made it huge.
    if steps > SHORT_EVALUATION and type(value) in {list, dict}:
        _Measure(limits.result_bytes).size(value, VALUE_DEPTH)
    return _encoded(value, limits)


def _encoded(value: Any, limits: Limits) -> bytes:
    try:
        content = _encoder.encode(value)
    except UnicodeEncodeError:
        raise _refused("a text of the result has a lone surrogate, which is no JSON", ErrorCode.JSONLEX_TYPE) from None
    except RecursionError:
        raise _too_deep() from None
    if len(content) > limits.result_bytes:
        raise _too_large(limits.result_bytes)
    return content


class _Measure:
    """Counts the bytes of JSON from below, a character or any other value as one, and each array and object once."""

    __slots__ = ("known", "limit", "unmet")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.unmet = limit
        self.known: dict[int, tuple[int, int]] = {}

    def size(self, value: Any, depth: int) -> int:
        """Return the size of an array or object that stands where so many more levels may follow."""
        size, room = self.known.get(id(value), (0, 0))
        # Seen where fewer levels could follow, it fits here as well.
        if not size or room > depth:
            if depth == 0:
                raise _too_deep()
            size = self._sum(value, depth - 1)
            self.known[id(value)] = size, depth
        if size > self.limit:
            raise _too_large(self.limit)
        return size

    def _sum(self, value: list[Any] | dict[Any, Any], depth: int) -> int:
        inner = 0
        own = 2 + len(value)
        for part in value if type(value) is list else self._members(value):
            kind = type(part)
            if kind is str:
                own += len(part)
            elif kind is list or kind is dict:
                inner += self.size(part, depth)
            elif kind is not bool and part is not None and not (kind is int and -USUAL < part < USUAL):
                _check_number(part)
        self.unmet -= own
        if self.unmet < 0:
            raise _too_large(self.limit)
        return own + inner

    def _members(self, value: Any) -> list[Any]:
        for name in value:
            if type(name) is not str:
                raise _refused(f"a name of an object is {kind_of(name)}", ErrorCode.JSONLEX_TYPE)
        return [*value, *value.values()]


def _check_number(value: Any) -> None:
    kind = type(value)
    if kind is int:
        if value.bit_length() > INTEGER_BITS:
            message = f"an integer of the result has more than {INTEGER_BITS} bits"
            raise _refused(message, ErrorCode.JSONLEX_RANGE, INTEGER_BITS)
    elif kind is not float:
        raise _refused(f"the result has {kind_of(value)}", ErrorCode.JSONLEX_TYPE)
    elif not isfinite(value):
        raise _refused(f"{value} is no JSON number", ErrorCode.JSONLEX_RANGE)


def _refused(message: str, code: ErrorCode, limit: int | None = None) -> JSONLexError:
    return JSONLexError(message, code=code, pointer="", limit=limit)


def _too_deep() -> JSONLexError:
    return _refused(f"the result is nested more than {VALUE_DEPTH} deep", ErrorCode.JSONLEX_TOO_DEEP, VALUE_DEPTH)


def _too_large(limit: int) -> JSONLexError:
    return _refused(f"the JSON of a result has at most {limit} bytes", ErrorCode.JSONLEX_RESULT_TOO_LARGE, limit)
