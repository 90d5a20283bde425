"""A compiled schema of another service: it fetches nothing, and its patterns take no longer than their text is long."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import jsonschema_rs

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError

MAX_ERROR: Final = 200
MAX_PATTERN_BYTES: Final = 100_000
"""The size of a compiled pattern: `(a{1000}){1000}` is a short text and a large automaton."""
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
        BadMessageError: INVALID_DATA, it is no schema.

    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        # The engine without backtracking; one that looks ahead or refers back is refused by it.
        patterns = jsonschema_rs.RegexOptions(size_limit=MAX_PATTERN_BYTES, dfa_size_limit=MAX_PATTERN_BYTES)
        try:
            self._validator = jsonschema_rs.Draft202012Validator(
                dict(schema), pattern_options=patterns, retriever=_nothing_else, mask=_MASK
            )
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            reason = str(error).partition("\n")[0][:MAX_ERROR]
            raise BadMessageError(f"this is no schema: {reason}", code=ErrorCode.INVALID_DATA) from error

    def misfit(self, data: Any) -> Misfit | None:
        """Return where data does not fit first, or None where it does."""
        for error in self._validator.iter_errors(data):
            pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in error.instance_path)
            return Misfit(pointer[:MAX_ERROR], error.message[:MAX_ERROR])
        return None


def _nothing_else(uri: str) -> Any:
    raise ValueError(f"{uri[:80]} is not fetched")
