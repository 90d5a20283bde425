"""Dead letters as the command and the HTTP API show them."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.stores.dead_letter import Buried
from ipc.stores.dead_letter_filter import LetterId

SHOWN: Final = 20


def condition_of(text: str) -> Any:
    """Return a condition that was written as text.

    Raises:
        BadMessageError: it is not JSON, or null.

    """
    try:
        condition = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadMessageError(f"where is not JSON: {error}") from error
    if condition is None:
        raise BadMessageError("where is a condition, not null")
    return condition


def orphaned(orphans: Sequence[LetterId], details: Mapping[str, Any] | None = None) -> BadMessageError:
    """Return the error that says which letters were skipped by a redrive, since their groups are forgotten."""
    groups = sorted({(letter.service, letter.group) for letter in orphans})
    gone = ", ".join(f"there is no group {group} of {service} any more" for service, group in groups[:SHOWN])
    letters = ", ".join(map(str, orphans[:SHOWN]))
    more = f" and {len(orphans) - SHOWN} more" if len(orphans) > SHOWN else ""
    return BadMessageError(
        f"{len(orphans)} skipped, since nobody would get the events: {gone}; a member has to subscribe first, or "
        f"discard them: {letters}{more}",
        code=ErrorCode.NOT_FOUND,
        details=details,
    )


def letter_summary(buried: Buried) -> dict[str, Any]:
    """Return what a list says about a dead letter; times in Unix milliseconds."""
    letter, content = buried.letter, buried.content
    return {
        "id": str(buried.id),
        "service": buried.id.service,
        "group": buried.id.group,
        "event": letter.event,
        "eventId": content.id,
        "source": content.source,
        "error": letter.error,
        "attempts": letter.attempts,
        "firstAt": letter.first_ms,
        "lastAt": letter.last_ms,
        "instance": letter.instance or None,
    }


def letter_detail(buried: Buried) -> dict[str, Any]:
    """Return all that is known of a dead letter, with the event's data."""
    letter, content = buried.letter, buried.content
    return letter_summary(buried) | {
        "target": content.target,
        "ts": content.ts,
        "log": letter.log,
        "position": letter.position,
        "traceback": letter.traceback or None,
        "data": json.loads(bytes(content.data)),
        "meta": content.meta,
    }


def letter_line(buried: Buried) -> str:
    """Return a dead letter as one line of text."""
    moment = datetime.fromtimestamp(buried.letter.last_ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")
    what = f"{buried.letter.event} {buried.content.id}"
    return f"{buried.id}  {moment[:-6]}Z  {what}  {buried.letter.attempts}x  {one_line(buried.letter.error)}"


def one_line(text: str, *, length: int = 100) -> str:
    """Return the beginning of a text without anything that could move a terminal's cursor."""
    shown = "".join(character if character.isprintable() else " " for character in text[: length + 1])
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"
