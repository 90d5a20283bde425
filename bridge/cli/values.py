"""JSON as it is given to a command: in an argument, in a file, or on standard input."""

import sys
from pathlib import Path
from typing import Final

import msgspec
from django.core.management.base import CommandError

MAX_BYTES: Final = 16 * 1024 * 1024
"""No bridge takes as much; what is larger is not read."""


def json_value(text: str | None, *, name: str) -> msgspec.Raw | None:
    """Return the JSON of an argument: ``@file`` names a file, ``-`` is standard input; None for none.

    Raises:
        CommandError: it cannot be read, or is not JSON.

    """
    if text is None:
        return None
    raw = _read(text, name)
    try:
        msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        hint = "" if text == "-" or text[:1] == "@" else "; a text needs its own quotes: '\"text\"'"
        raise CommandError(f"{name} is not JSON: {error}{hint}") from error
    return msgspec.Raw(raw)


def _read(text: str, name: str) -> bytes:
    try:
        if text == "-":
            raw = sys.stdin.buffer.read(MAX_BYTES + 1)
        elif text.startswith("@"):
            with Path(text[1:]).open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        else:
            raw = text.encode()
    except OSError as error:
        raise CommandError(f"{name}: {text[1:]} cannot be read: {error.strerror or error}") from error
    except UnicodeEncodeError as error:
        raise CommandError(f"{name} is not UTF-8") from error
    if len(raw) > MAX_BYTES:
        raise CommandError(f"{name} has more than {MAX_BYTES} bytes")
    return raw
