"""How what a group is done with is packed: one entry of a stream for each exchange, however many events that had.

An entry's id is the time of Redis at which it was written, the same clock that positions have. So nothing is written
about the time of a single event, and no clock of another machine is trusted.
"""

from collections.abc import Iterable, Mapping, Sequence
from os.path import commonprefix
from typing import Final, NamedTuple

import msgspec

from ipc.protocol.delivery_status import Receipt
from ipc.protocol.positions import position_key
from ipc.stores import keys
from ipc.stores.connection import Command

MAX_RECORDS: Final = 20_000
ACKED, LOST, MOVED = b"a", b"l", b"m"


class Acked(NamedTuple):
    """Positions of one log that one instance has acknowledged at the same attempt; no instance has handled it before.

    An event that was spared because the group had handled it already has no instance.
    """

    log: str
    instance: str
    attempt: int
    positions: list[str]


class _Packed(msgspec.Struct, array_like=True):
    log: str
    instance: str
    attempt: int
    begin: str
    rests: str


_encoder: Final = msgspec.msgpack.Encoder()
_packed: Final = msgspec.msgpack.Decoder(list[_Packed])


def place(log: str, position: str) -> str:
    """Return a place in a log as one word and a half: the field of its note."""
    return f"{log} {position}"


def commands_for(name: str, acked: Sequence[Acked], settled: Sequence[str]) -> list[Command]:
    """Return what writes down acknowledgements of a group, and drops the notes of places that are settled."""
    commands: list[Command] = []
    if acked:
        commands.append(("XADD", keys.ledger(name), "MAXLEN", "~", MAX_RECORDS, "*", ACKED, pack(acked)))
    if settled:
        commands.append(("HDEL", keys.notes(name), *settled))
    return commands


def pack(acked: Iterable[Acked]) -> bytes:
    """Return acknowledgements in few bytes: positions of one batch begin alike, and that is written once."""
    return _encoder.encode([_pack(*of_one) for of_one in acked])


def _pack(log: str, instance: str, attempt: int, positions: Sequence[str]) -> _Packed:
    begin = commonprefix((min(positions), max(positions)))  # noqa: RUF071 - characters are meant, and no path
    same = len(begin)
    rests = " ".join([position[same:] for position in positions])
    return _Packed(log, instance.partition(":")[2], attempt, begin, rests)


def receipt(entry_id: str, fields: Mapping[bytes, bytes], log: str, position: str, service: str) -> Receipt | None:
    """Return what an entry says of a place, or None if that is nothing."""
    at_ms = position_key(entry_id)[0]
    if (packed := fields.get(ACKED)) is not None:
        for of_one in _packed.decode(packed):
            rest = position.removeprefix(of_one.begin)
            if of_one.log == log and position.startswith(of_one.begin) and rest in of_one.rests.split(" "):
                instance = f"{service}:{of_one.instance}" if of_one.instance else ""
                return Receipt(at_ms=at_ms, instance=instance, attempt=of_one.attempt)
    elif (words := fields.get(MOVED)) is not None:
        *moved, to = words.decode().split(" ")
        if moved == [log, position]:
            return Receipt(at_ms=at_ms, moved_to=to)
    elif (words := fields.get(LOST)) is not None:
        lost_log, *positions = words.decode().split(" ")
        if lost_log == log and position in positions:
            return Receipt(at_ms=at_ms, is_lost=True)
    return None
