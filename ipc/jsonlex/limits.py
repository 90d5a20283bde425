"""What bounds an expression and its evaluation; each bound has an error code of its own."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The budget of one expression.

    ``depth`` and ``nodes`` bound the expression when it is compiled: how deep its JSON is nested, and how many values
    it has. ``steps`` bounds what one evaluation does, ``result_bytes`` the JSON of what it returns.
    """

    depth: int = 64
    nodes: int = 10_000
    steps: int = 100_000
    result_bytes: int = 1024 * 1024


DEFAULT_LIMITS: Final = Limits()

VALUE_DEPTH: Final = 128
"""How deep a value may be nested that is compared as a whole or returned: event data has 64 (``protocol.limits``)."""

INTEGER_BITS: Final = 4096
"""How long an integer may be that only passes through; its decimal digits are written in microseconds."""

INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**64 - 1
"""The integers that are computed with, which are those that a 64-bit integer of either kind can hold."""

CHARACTERS_PER_STEP: Final = 32
"""How many code points of text, read or written, cost one step."""
