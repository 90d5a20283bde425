"""Where in a trace something belongs: the ``traceparent`` of W3C Trace Context (www.w3.org/TR/trace-context-2)."""

import os
import re
from typing import Final

from msgspec import Struct

SAMPLED: Final = 0x01
RANDOM: Final = 0x02
_KNOWN_FLAGS: Final = SAMPLED | RANDOM
_TRACE_ID_BYTES: Final = 16
_SPAN_ID_BYTES: Final = 8

_match: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?"
).fullmatch


class TraceParent(Struct, frozen=True):
    """A step of a trace: the trace's id, the id of the step in it, and whether the trace is recorded."""

    trace_id: str
    span_id: str
    flags: int

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def parse(text: str | None) -> TraceParent | None:
    """Return what a text says, or None where it is no traceparent, which counts as none at all.

    One of a later version is read as far as this version reaches, as section 4.3 asks for. Flags that this version
    does not know are dropped.
    """
    found = _found(text)
    return None if found is None else TraceParent(found[2], found[3], int(found[4], 16) & _KNOWN_FLAGS)


def valid(text: str | None) -> str | None:
    """Return a traceparent as it is passed on by whoever takes no part in the trace, or None where it is none."""
    found = _found(text)
    if found is None or found[1] == "00":
        return None if found is None else text
    # What else a later version has is of unknown shape, so it stays behind.
    return str(parse(text))


def new() -> TraceParent:
    """Begin a trace. It is marked as sampled, so that whoever records spans further down does record them."""
    ids = os.urandom(_TRACE_ID_BYTES + _SPAN_ID_BYTES).hex()
    trace_id, span_id = ids[: 2 * _TRACE_ID_BYTES], ids[2 * _TRACE_ID_BYTES :]
    return TraceParent(trace_id, span_id, SAMPLED | RANDOM)


def child(parent: TraceParent) -> TraceParent:
    """Return the next step of a trace, with an id of its own."""
    return TraceParent(parent.trace_id, os.urandom(_SPAN_ID_BYTES).hex(), parent.flags)


def _found(text: str | None) -> re.Match[str] | None:
    found = _match(text) if text else None
    return None if found is None or (found[1] == "00" and found[5] is not None) else found
