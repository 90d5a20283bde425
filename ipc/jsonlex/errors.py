"""The error of JSONLex: a code, and a JSON Pointer to the part of the expression that it is about."""

from typing import Any, Final

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError

CODES: Final = (
    ErrorCode.JSONLEX_INVALID,
    ErrorCode.JSONLEX_TOO_DEEP,
    ErrorCode.JSONLEX_TOO_LARGE,
    ErrorCode.JSONLEX_TYPE,
    ErrorCode.JSONLEX_RANGE,
    ErrorCode.JSONLEX_TOO_COSTLY,
    ErrorCode.JSONLEX_RESULT_TOO_LARGE,
)


class JSONLexError(BadMessageError):
    """An expression is wrong, or does not go together with the values that it was given.

    ``details`` has the ``pointer`` (RFC 6901) into the value that was compiled, and the ``limit`` where one was met.
    """

    default_code = ErrorCode.JSONLEX_INVALID

    def __init__(self, message: str, *, code: ErrorCode, pointer: str, limit: int | None = None) -> None:
        details: dict[str, Any] = {"pointer": pointer}
        if limit is not None:
            details["limit"] = limit
        super().__init__(f"{message} (at {_shortened(pointer)!r})", code=code, details=details)
        self.pointer = pointer


def invalid(message: str, pointer: str) -> JSONLexError:
    """Return the error of an expression that cannot be compiled."""
    return JSONLexError(message, code=ErrorCode.JSONLEX_INVALID, pointer=pointer)


def child(pointer: str, segment: str | int) -> str:
    """Return the pointer to a member or an item (RFC 6901 section 3 has the escapes)."""
    if isinstance(segment, str):
        segment = segment.replace("~", "~0").replace("/", "~1")
    return f"{pointer}/{segment}"


def shown(value: object) -> str:
    """Return a value as an error message shows it: short, and never slow."""
    if isinstance(value, str):
        return repr(value[:32]) + ("..." if len(value) > 32 else "")  # noqa: PLR2004 - the slice beside it
    return kind_of(value)


def kind_of(value: object) -> str:
    """Return what JSON calls the type of a value, with its article."""
    return _KINDS.get(type(value), f"a Python {type(value).__name__}, which is no JSON value")


_KINDS: Final[dict[type, str]] = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
}


def _shortened(pointer: str) -> str:
    return pointer if len(pointer) <= 80 else f"{pointer[:77]}..."  # noqa: PLR2004 - enough to find the place
