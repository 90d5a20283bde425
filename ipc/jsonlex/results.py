"""What leaves an evaluation: a value of its own, measured while it is built.

A result may hold parts of the context or of the compiled expression, and one part many times over. So it is copied,
within its bounds, and whoever gets it may change it.
"""

from math import isfinite
from typing import Any, Final

import msgspec

from ipc.jsonlex.errors import JSONLexError, kind_of
from ipc.jsonlex.limits import INTEGER_BITS, VALUE_DEPTH, Limits
from ipc.protocol.codes import ErrorCode

_encoder: Final = msgspec.json.Encoder()

SHORT_EVALUATION: Final = 200
"""Steps of an evaluation whose result may be written before it is measured."""


def own(value: Any, limits: Limits) -> Any:
    """Return a copy of a result that shares nothing with what it was made of.

    Raises:
        JSONLexError: JSONLEX_RESULT_TOO_LARGE, JSONLEX_TOO_DEEP; JSONLEX_TYPE or JSONLEX_RANGE where the context had
            what is no JSON value.

    """
    if value is True or value is False or value is None:
        return value
    room = _Room(limits.result_bytes)
    copied = room.copy(value, VALUE_DEPTH)
    # Each character and each value was counted once, so writing it now is bounded too; escapes may make it longer.
    if len(_encoded(copied)) > limits.result_bytes:
        room.too_large()
    return copied


def written(value: Any, limits: Limits, *, steps: int) -> bytes:
    """Return the JSON of a result that was made of decoded JSON, without copying it where that is safe.

    Raises:
        JSONLexError: as `own` does.

    """
    # One step puts at most one part of the context into the result, so a short evaluation cannot have made it huge.
    content = _encoded(value if steps <= SHORT_EVALUATION else own(value, limits))
    if len(content) > limits.result_bytes:
        _Room(limits.result_bytes).too_large()
    return content


def _encoded(value: Any) -> bytes:
    try:
        return _encoder.encode(value)
    except (UnicodeEncodeError, RecursionError):
        # To say which it was is left to the slow way.
        raise _refused("a text of the result has a lone surrogate, which is no JSON", ErrorCode.JSONLEX_TYPE) from None


def _refused(message: str, code: ErrorCode, limit: int | None = None) -> JSONLexError:
    return JSONLexError(message, code=code, pointer="", limit=limit)


class _Room:
    """How many bytes of JSON are left, counted low: a character is one, and so is any other value."""

    __slots__ = ("left", "limit")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit

    def copy(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind is str:
            self.take(len(value))
            return value
        if kind is dict:
            return self._copy_object(value, depth)
        if kind is list:
            self._enter(value, depth)
            return [self.copy(item, depth - 1) for item in value]
        self.take(1)
        if kind is int:
            if value.bit_length() > INTEGER_BITS:
                raise _refused(
                    f"an integer of the result has more than {INTEGER_BITS} bits", ErrorCode.JSONLEX_RANGE, INTEGER_BITS
                )
        elif kind is float:
            if not isfinite(value):
                raise _refused(f"{value} is no JSON number", ErrorCode.JSONLEX_RANGE)
        elif kind is not bool and value is not None:
            raise _refused(f"the result has {kind_of(value)}", ErrorCode.JSONLEX_TYPE)
        return value

    def _copy_object(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        self._enter(value, depth)
        copied = {}
        for name, member in value.items():
            if type(name) is not str:
                raise _refused(f"a name of an object is {kind_of(name)}", ErrorCode.JSONLEX_TYPE)
            self.take(len(name))
            copied[name] = self.copy(member, depth - 1)
        return copied

    def _enter(self, value: list[Any] | dict[Any, Any], depth: int) -> None:
        if depth == 0:
            raise _refused(
                f"the result is nested more than {VALUE_DEPTH} deep", ErrorCode.JSONLEX_TOO_DEEP, VALUE_DEPTH
            )
        self.take(2 + len(value))

    def take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            self.too_large()

    def too_large(self) -> None:
        raise _refused(
            f"the JSON of a result has at most {self.limit} bytes", ErrorCode.JSONLEX_RESULT_TOO_LARGE, self.limit
        )
