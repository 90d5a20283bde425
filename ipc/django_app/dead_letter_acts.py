"""What operators do with dead letters, by whichever way they come: it is done, and written into the audit trail."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis

from ipc.stores.audit import Audit
from ipc.stores.dead_letter_filter import LetterId
from ipc.stores.dead_letters import DeadLetters

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


async def discard(redis: Redis, letters: Sequence[LetterId], *, by: str, reason: str) -> list[LetterId]:
    """Delete letters for good, and return which were still there.

    Raises:
        BadMessageError: there is no reason.
        UnavailableError: Redis is out of reach.

    """
    gone = await DeadLetters(redis).discard(letters, by=by, reason=reason)
    await _write(redis, DISCARD, gone, by, {"reason": reason})
    return gone


async def _write(redis: Redis, action: str, letters: Sequence[LetterId], by: str, details: dict[str, Any]) -> None:
    """Write one entry for each group."""
    audit = Audit(redis)
    for group, found in groupby(sorted(letters), key=lambda letter: f"{letter.service}/{letter.group}"):
        positions = [letter.position for letter in found]
        told = {**details, "count": len(positions), "positions": positions[:NAMED]}
        await audit.write(action, by=by, subject=group, details=told)
