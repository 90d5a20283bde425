"""JSON that SQLite and PostgreSQL both keep unchanged, and that every reader of the log accepts."""

from typing import Any

import msgspec

from ipc.protocol.codec import checked_json, encode_json
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.limits import Limits


def stored_json(value: object, limits: Limits, *, name: str = "data") -> Any:
    """Return a value as its JSON reads back: dates and UUIDs have become strings.

    Raises:
        BadMessageError: INVALID_DATA (no JSON form, too deep, or a NUL character, which PostgreSQL's jsonb refuses), or
            DATA_TOO_LARGE.

    """
    raw = checked_json(encode_json(value).encode(), limits, name=name)
    # Without the escaped backslashes, what is left of \u0000 is the character itself.
    if "\\u0000" in raw.replace("\\\\", ""):
        raise BadMessageError(f"{name} has a NUL character; remove it", code=ErrorCode.INVALID_DATA)
    return msgspec.json.decode(raw)
