"""Identifiers that sort by time: ULIDs (github.com/ulid/spec), 26 characters of Crockford's base 32."""

import os
import time
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
# Two characters at a time take half as long as one.
_PAIRS: Final = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS: Final = tuple(range(120, -1, -10))
_LETTERS: Final = frozenset(_ALPHABET)
_LENGTH: Final = 26


def new_ulid() -> str:
    """Return a new identifier: 48 bits of Unix milliseconds, then 80 random bits."""
    value = (time.time_ns() // 1_000_000 << 80) | int.from_bytes(os.urandom(10))
    return "".join([_PAIRS[value >> shift & 1023] for shift in _SHIFTS])


def ulid_ms(text: str) -> int | None:
    """Return the Unix milliseconds that a ULID begins with, or None for a text that is none."""
    # The first character has three bits (the specification: "7ZZZ..." is the largest).
    if len(text) != _LENGTH or text[0] > "7" or not _LETTERS.issuperset(text):
        return None
    value = 0
    for letter in text[:10]:
        value = value << 5 | _ALPHABET.index(letter)
    return value
