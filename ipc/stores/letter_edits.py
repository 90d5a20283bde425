"""Dead letters with other data: an operator repairs an event, and its group gets that instead."""

from importlib import resources
from typing import Final

from redis.asyncio import Redis

from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, UnavailableError
from ipc.protocol.limits import Limits
from ipc.protocol.marks import edited
from ipc.protocol.routing import own_log
from ipc.stores import keys
from ipc.stores.connection import Script, run_script, translated_errors
from ipc.stores.dead_letter_filter import LetterId
from ipc.stores.dead_letters import MAX_DEAD, MAX_DISCARDED, DeadLetters
from ipc.stores.ledger_record import MAX_RECORDS

REASON: Final = "edited and redriven"
"""What is kept as the reason of a letter that was replaced by an edited one."""
_EDIT: Final = Script(resources.files("ipc.stores").joinpath("scripts/edit_letter.lua").read_text())


async def redrive_edited(redis: Redis, letter_id: LetterId, data: str, *, by: str, limits: Limits) -> str:
    """Deliver a dead letter to its group again with other data, and return the position in the group's own log.

    The event says by whom it was edited. The letter as it was is kept among those that were discarded.

    Args:
        redis: the client.
        letter_id: which one.
        data: the new data, as JSON.
        by: who has edited them.
        limits: what an event may have.

    Raises:
        BadMessageError: INVALID_DATA or DATA_TOO_LARGE, as an emit would be answered; NOT_FOUND, the letter is not
            there any more, or its group is forgotten.
        UnavailableError: Redis is out of reach, or the group's own log has no room.

    """
    checked = codec.checked_json(_utf8(data), limits)
    letters = DeadLetters(redis)
    buried = await letters.get(letter_id)
    if await letters.orphans([letter_id]):
        raise BadMessageError(
            f"there is no group {letter_id.group} of {letter_id.service} any more, so nobody would get the event: a "
            "member has to subscribe first",
            code=ErrorCode.NOT_FOUND,
        )
    name = f"{letter_id.service}/{letter_id.group}"
    streams = [
        keys.dead(letter_id.service, letter_id.group),
        keys.log(own_log(letter_id.service, letter_id.group)),
        keys.ledger(name),
        keys.discarded(letter_id.service, letter_id.group),
    ]
    counts = [MAX_DEAD, MAX_RECORDS, MAX_DISCARDED]
    frame = edited(buried.letter.frame, checked, by)
    async with translated_errors(f"redrive the edited dead letter {letter_id}"):
        reply: bytes | None = await run_script(redis, _EDIT, streams, [*counts, letter_id.position, frame, by, REASON])
    if reply is None:
        raise BadMessageError(
            f"there is no dead letter {letter_id} any more: it was redriven or discarded meanwhile",
            code=ErrorCode.NOT_FOUND,
        )
    if reply == b"full":
        raise UnavailableError(f"{name} has {MAX_DEAD} events to do that came again: wait until it has done some")
    return reply.decode()


def _utf8(data: str) -> bytes:
    try:
        return data.encode()
    except UnicodeEncodeError as error:
        raise BadMessageError(
            "data has a lone surrogate, which has no UTF-8 form", code=ErrorCode.INVALID_DATA
        ) from error
