"""What operators do with dead letters, by whichever way they come: it is done, and written into the audit trail."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

import msgspec
from redis.asyncio import Redis

from ipc.django_app.dead_letters import orphaned
from ipc.protocol import codec
from ipc.protocol.errors import UnavailableError
from ipc.protocol.limits import Limits
from ipc.stores.audit import Audit
from ipc.stores.dead_letter_filter import LetterId
from ipc.stores.dead_letters import DeadLetters
from ipc.stores.letter_edits import redrive_edited

EDIT: Final = "deadletters.edit"
REDRIVE: Final = "deadletters.redrive"
DISCARD: Final = "deadletters.discard"
NAMED: Final = 50
"""How many letters an entry of the trail names; it counts all of them."""


class Redriven(NamedTuple):
    """Which letters were delivered again, and which were skipped, since their groups are forgotten."""

    moved: list[LetterId]
    orphans: list[LetterId]


async def redrive(redis: Redis, letters: Sequence[LetterId], *, by: str) -> Redriven:
    """Deliver letters to their groups again.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    dead = DeadLetters(redis)
    orphans = await dead.orphans(letters)
    skipped = set(orphans)
    moved = await dead.redrive([letter for letter in letters if letter not in skipped])
    await _write(redis, REDRIVE, moved, by, {})
    return Redriven(moved, orphans)


async def redrive_one(redis: Redis, letter_id: LetterId, data: str, *, by: str, limits: Limits) -> bool:
    """Deliver a letter to its group again with the data that an operator has seen, and tell whether they were edited.

    Args:
        redis: the client.
        letter_id: which one.
        data: JSON; what is the same but for white space is no edit.
        by: who does it.
        limits: what an event may have.

    Raises:
        BadMessageError: NOT_FOUND, the letter is not there any more, or its group is forgotten; or the data are wrong.
        UnavailableError: Redis is out of reach, or the group has no room.

    """
    buried = await DeadLetters(redis).get(letter_id)
    checked = codec.checked_json(data.encode(), limits)
    if _bare(checked) != _bare(bytes(buried.content.data).decode()):
        await redrive_edited(redis, letter_id, checked, by=by, limits=limits)
        await _write(redis, EDIT, [letter_id], by, {"event": buried.letter.event, "eventId": buried.content.id})
        return True
    moved, orphans = await redrive(redis, [letter_id], by=by)
    if orphans:
        raise orphaned(orphans)
    if not moved:
        raise UnavailableError(
            f"{letter_id} was not moved: its group has too much to do that came again, or it is gone"
        )
    return False


async def discard(redis: Redis, letters: Sequence[LetterId], *, by: str, reason: str) -> list[LetterId]:
    """Delete letters for good, and return which were still there.

    Raises:
        BadMessageError: there is no reason.
        UnavailableError: Redis is out of reach.

    """
    gone = await DeadLetters(redis).discard(letters, by=by, reason=reason)
    await _write(redis, DISCARD, gone, by, {"reason": reason})
    return gone


def _bare(text: str) -> bytes:
    return msgspec.json.format(text.encode(), indent=-1)


async def _write(redis: Redis, action: str, letters: Sequence[LetterId], by: str, details: dict[str, Any]) -> None:
    """Write one entry for each group."""
    audit = Audit(redis)
    for group, found in groupby(sorted(letters), key=lambda letter: f"{letter.service}/{letter.group}"):
        positions = [letter.position for letter in found]
        told = {**details, "count": len(positions), "positions": positions[:NAMED]}
        await audit.write(action, by=by, subject=group, details=told)
