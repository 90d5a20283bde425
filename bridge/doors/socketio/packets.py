"""The text of Socket.IO's packets (protocol 5) as they stand in Engine.IO's messages (protocol 4).

An event packet is ``2/ipc/spark,12["post:created",{}]``: its kind, the namespace, perhaps the number by which it is to
be answered, and an array with the event's name and its arguments. Engine.IO puts a 4 before it.
"""

from typing import Any, Final, NamedTuple

import msgspec

from ipc.protocol import codec

CONNECT: Final = "0"
DISCONNECT: Final = "1"
EVENT: Final = "2"
ACK: Final = "3"
BINARY: Final = frozenset({"5", "6"})
_MAX_DIGITS: Final = 15
"""JavaScript counts exactly up to 2^53."""


class MalformedError(ValueError):
    """What came is no packet."""


class Packet(NamedTuple):
    """An event or an answer: ``number`` is what its answer repeats, ``body`` a JSON array that nobody has looked at."""

    namespace: str
    number: int | None
    body: str


def take_apart(text: str) -> Packet:
    """Return the parts of an event or an answer.

    Raises:
        MalformedError: it has not the form of one.

    """
    at = 1
    namespace = "/"
    if text[1:2] == "/":
        at = text.find(",") + 1
        if not at:
            raise MalformedError("a packet without a body")
        namespace = text[1 : at - 1]
    begin = text.find("[", at, at + _MAX_DIGITS + 1)
    digits = text[at:begin]
    if begin < 0 or (digits and not (digits.isascii() and digits.isdigit())):
        raise MalformedError("a packet whose body is no array")
    return Packet(namespace, int(digits) if digits else None, text[begin:])


def attachments_of(text: str) -> tuple[int, Packet]:
    """Return how many binary attachments follow a packet that announces them, and the packet.

    Raises:
        MalformedError: it has not the form of one.

    """
    digits, dash, rest = text[1 : _MAX_DIGITS + 2].partition("-")
    if not dash or not (digits.isascii() and digits.isdigit()):
        raise MalformedError("a packet that does not say how many attachments it has")
    del rest
    return int(digits), take_apart(EVENT + text[len(digits) + 2 :])


def event_packet(namespace: str, body: str, number: int | None = None) -> str:
    """Return the message with an event, whose body is the JSON array with its name and arguments."""
    return f"42{namespace},{body}" if number is None else f"42{namespace},{number}{body}"


def answer_packet(namespace: str, number: int, answer: str) -> str:
    """Return the message that calls a client's callback with one argument, which is JSON."""
    return f"43{namespace},{number}[{answer}]"


class MsgspecJSON:
    """What the library needs of a JSON module."""

    @staticmethod
    def dumps(value: Any, **_options: Any) -> str:
        """Return the JSON of a value."""
        return codec.encode_json(value)

    @staticmethod
    def loads(text: str | bytes) -> Any:
        """Return the value of a JSON text."""
        return msgspec.json.decode(text)
