"""What Redis answers of durable groups, as values: what is pending, what was taken over, and that there is no group."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError
from ipc.stores.eventlog import Entry


class GroupMissingError(IPCError):
    """The group does not exist on the log: it was forgotten, or Redis lost its data."""


@dataclass(frozen=True, slots=True)
class Pending:
    """An entry that a consumer was given and has not acknowledged."""

    position: str
    consumer: str
    idle_ms: int
    attempts: int


@dataclass(frozen=True, slots=True)
class Claims:
    """What became of entries that were to be taken over.

    ``taken`` has each entry with how often it has been delivered, this time included; ``trimmed`` the positions whose
    entry is gone from the log. What is in neither was acknowledged, or is another consumer's by now.
    """

    taken: list[tuple[Entry, int]]
    trimmed: list[str]


@dataclass(frozen=True, slots=True)
class Serving:
    """The hubs that serve a group, and whether the one that asked was known as one of them before."""

    hubs: frozenset[str]
    was_known: bool


def is_missing(error: ResponseError) -> bool:
    """Tell whether Redis refused because the log, or the group on it, does not exist."""
    return "NOGROUP" in str(error) or "no such key" in str(error).lower() or "key to exist" in str(error).lower()


def refusal(name: str, error: ResponseError) -> Exception:
    """Return what to raise for a refusal: the error as it is, unless it says that the group is missing."""
    if is_missing(error):
        return GroupMissingError(f"there is no group {name}", code=ErrorCode.UNAVAILABLE)
    return error


def entries_of(reply: Any) -> list[Entry]:
    """Return what a reading of one log (XREADGROUP) has brought."""
    if not reply:
        return []
    # A map in RESP3, a list of pairs in RESP2, and here one stream at most.
    rows = next(iter(reply.values())) if isinstance(reply, dict) else reply[0][1]
    return [entry_of(row) for row in rows]


def entry_of(row: Any) -> Entry:
    """Return the entry of a row; one that somebody else has put into the stream has an empty name and frame."""
    position: bytes = row[0]
    values: Sequence[bytes] = row[1] or ()
    if values[::2][:2] != [b"e", b"f"]:
        fields = dict(zip(values[::2], values[1::2], strict=True))
        values = (b"e", fields.get(b"e", b""), b"f", fields.get(b"f", b""))
    return Entry(position.decode(), values[1].decode(), values[3].decode())
