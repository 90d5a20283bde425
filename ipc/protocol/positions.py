"""Positions: an event's place in a log, written ``<milliseconds>-<sequence>`` like a Redis stream id.

Redis documents the form and its order under "Entry ID specification" (XADD).
"""

import re
from typing import Final

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError

START: Final = "0-0"
_FORM: Final = re.compile(r"(0|[1-9][0-9]{0,19})-(0|[1-9][0-9]{0,19})", re.ASCII)
_MAX: Final = 2**64 - 1


def position_key(position: str) -> tuple[int, int]:
    """Return a key that sorts positions in the order of the log."""
    ms, _, seq = position.partition("-")
    return int(ms), int(seq)


def check_position(position: str) -> str:
    """Return the position if it is well formed.

    Raises:
        BadMessageError: INVALID_POSITION.

    """
    match = _FORM.fullmatch(position)
    if match is None or int(match[1]) > _MAX or int(match[2]) > _MAX:
        raise BadMessageError(
            f"{position[:64]!r} is not a position: write <milliseconds>-<sequence> as an event or an ok gave it",
            code=ErrorCode.INVALID_POSITION,
        )
    return position
