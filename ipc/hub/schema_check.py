"""A compiled schema of another service: it fetches nothing, and it is known beforehand how long it may take."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

import jsonschema_rs

from ipc.protocol.codes import ErrorCode
from ipc.protocol.declarations import evaluations, patterns, patterns_of, weight
from ipc.protocol.errors import BadMessageError

MAX_ERROR: Final = 200
PATTERN_SIZES: Final = (1_000, 4_000, 16_000, 64_000)
"""The sizes of compiled patterns, in bytes, that are told apart: `(a{1000}){1000}` is short and a large automaton."""
MAX_PATTERNS_BYTES: Final = 64_000
"""What the patterns of a schema may have together: they are compiled while other sessions wait."""
STEP_NS: Final = 24.0
PATTERN_BYTE_NS: Final = 1.4
"""What one step of a schema, and one byte of its patterns, cost for each byte of data at worst.

Measured with jsonschema-rs 0.60: 300 steps for each of 16,000 numbers, and `(a{1,60}){1,10}$|0` on 32,000 letters,
where the automaton outgrows what it may keep and is walked through letter by letter.
"""
_MASK: Final = "the value"
"""Stands in errors for what was emitted, which is for those who hear the event."""


class Misfit(NamedTuple):
    """Where data does not fit its schema (RFC 6901), and why."""

    pointer: str
    error: str


class SchemaCheck:
    """What tells whether data fits a schema of JSON Schema 2020-12.

    Args:
        schema: bounded by `ipc.protocol.declarations.check_declaration` before.

    Raises:
        BadMessageError: INVALID_DATA, it is no schema, or its patterns are too large.

    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        _compiled_size(patterns(schema))
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                dict(schema), pattern_options=_options(MAX_PATTERNS_BYTES), retriever=_nothing_else, mask=_MASK
            )
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            reason = str(error).partition("\n")[0][:MAX_ERROR]
            raise BadMessageError(f"this is no schema: {reason}", code=ErrorCode.INVALID_DATA) from error
        self.byte_ns = _byte_ns(schema)
        """The longest that a byte of data may take, in nanoseconds; None where nobody can say."""

    def misfit(self, data: Any) -> Misfit | None:
        """Return where data does not fit first, or None where it does."""
        for error in self._validator.iter_errors(data):
            pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error.instance_path)
            return Misfit(pointer[:MAX_ERROR], error.message[:MAX_ERROR])
        return None


def _byte_ns(schema: Mapping[str, Any]) -> float | None:
    steps = evaluations(schema)
    size = weight(schema, lambda node: _compiled_size(patterns_of(node)), most=MAX_PATTERNS_BYTES)
    return None if steps is None or size is None else steps * STEP_NS + size * PATTERN_BYTE_NS


def _compiled_size(texts: Iterable[str]) -> int:
    """Return how large patterns are, each rounded up to one of the sizes.

    Raises:
        BadMessageError: INVALID_DATA, one is no pattern, or together they are too large.

    """
    total = 0
    for text in texts:
        total += _pattern_size(text)
        if total > MAX_PATTERNS_BYTES:
            raise BadMessageError(
                f"this is no schema: its patterns are too large together, with {text[:80]!r} among them: say maxLength "
                "in place of long repetitions",
                code=ErrorCode.INVALID_DATA,
                details={"limit": MAX_PATTERNS_BYTES},
            )
    return total


def _pattern_size(text: str) -> int:
    for size in PATTERN_SIZES:
        try:
            jsonschema_rs.Draft202012Validator({"pattern": text}, pattern_options=_options(size))
        except ValueError:
            continue
        return size
    raise BadMessageError(
        f"this is no schema: {text[:80]!r} is no pattern, looks ahead or refers back, or is too large: say maxLength"
        " in place of long repetitions",
        code=ErrorCode.INVALID_DATA,
    )


def _options(size: int) -> jsonschema_rs.RegexOptions:
    """Return the engine without backtracking; a pattern that looks ahead or refers back is refused by it."""
    return jsonschema_rs.RegexOptions(size_limit=size, dfa_size_limit=size)


def _nothing_else(uri: str) -> Any:
    raise ValueError(f"{uri[:80]} is not fetched")
