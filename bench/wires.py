"""The protocols that the driver speaks: how each writes its frames, and counts events in them without parsing.

The driver shares the machine with the server it measures, so it looks at an event's bytes only as far as it must:
counting separators is enough to count events, and only a sample is searched for the time at which it was sent.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from ipc.protocol.services import SHORT_NAMES

EVENT: Final = "post:created"
PUBLISHER: Final = "bridge"
SUBSCRIBERS: Final = tuple(name for name in SHORT_NAMES if name != PUBLISHER)

# Microseconds of a monotonic clock on top of a constant: sixteen digits, which JavaScript still holds exactly.
_CLOCK_BASE: Final = 10**15
_STAMP: Final = b"sentAt"
_EVENT: Final = b'{"type":"event"'
_PONG: Final = b'{"type":"pong"'
_STAMP_FIELD: Final = 3 + 16  # the digits with quote, colon and space before them


def now_us() -> int:
    """Return the driver's clock, in microseconds, always sixteen digits."""
    return _CLOCK_BASE + time.perf_counter_ns() // 1000


def post_data(sent_at: int) -> bytes:
    """Return a post of about 220 bytes as JSON that carries the time at which it was sent."""
    return (
        b'{"id":"0191f5c2-7c1e-7a53-9d64-2f1b7b6e4a10","userId":"user-4711","content":"The same post for '
        b'every server, as long as a post usually is. #bench #events","visibility":"public","likeCount":0,'
        b'"sentAt":%d}' % sent_at
    )


def echo_id(sent_at: int) -> bytes:
    """Return a request's id that carries the time at which it was sent."""
    return b"sentAt:%d" % sent_at


def sent_at_of(payload: bytes, start: int = 0) -> int | None:
    """Return the time that the first event at or after ``start`` carries, or None if there is none."""
    found = payload.find(_STAMP, start)
    if found < 0:
        return None
    field = payload[found + len(_STAMP) : found + len(_STAMP) + _STAMP_FIELD]
    return int(field.strip(b'": },]'))


def refusal(payload: bytes) -> ConnectionRefusedError:
    """Return what to raise for a message with which a server refuses something."""
    return ConnectionRefusedError(payload.split(b"\n", 1)[0][:200].decode(errors="replace"))


class Wire(ABC):
    """How a protocol writes and counts messages; made for one socket of one service, which may want to hear events."""

    def __init__(self, service: str, *, hears: bool = True) -> None:
        self.service = service
        self.hears = hears
        self.is_ready = False

    @property
    @abstractmethod
    def path(self) -> str:
        """The path and query to connect to."""

    @abstractmethod
    def emit(self, target: str, sent_at: int) -> bytes:
        """Return one message that emits a post to a service, or to ``broadcast``."""

    @abstractmethod
    def ping(self, sent_at: int) -> bytes:
        """Return one message that the server answers by itself."""

    @abstractmethod
    def pack(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return the frames that carry these messages, as few as the protocol can."""

    @abstractmethod
    def count(self, payload: bytes) -> int:
        """Return how many events or echoes a frame carries; 0 for a frame that is something else."""

    def has_more(self, payload: bytes, counted: int) -> bool:  # noqa: ARG002 - most protocols do not mix messages
        """Tell whether a frame has more in it than the events or echoes that were counted."""
        return not counted

    def acknowledge(self, payload: bytes) -> bytes | None:  # noqa: ARG002 - only a group's member has an answer
        """Return what to send back for the events of a frame, if anything."""
        return None

    @abstractmethod
    def reply(self, payload: bytes) -> bytes | None:
        """Return what to answer to what was not counted, and set ``is_ready`` once the socket has all it wants.

        Raises:
            ConnectionRefusedError: the server refused something.

        """


class JsonWire(Wire):
    """The messages that our protocol and a plain JSON consumer have in common."""

    @property
    def path(self) -> str:
        """The service's namespace."""
        return f"/ipc/{self.service}"

    def emit(self, target: str, sent_at: int) -> bytes:
        """Return an ``emit`` message."""
        return b'{"type":"emit","event":"%b","target":"%b","data":%b}' % (
            EVENT.encode(),
            target.encode(),
            post_data(sent_at),
        )

    def ping(self, sent_at: int) -> bytes:
        """Return a ``ping`` message."""
        return b'{"type":"ping","id":"%b"}' % echo_id(sent_at)


class NativeWire(JsonWire):
    """The project's own protocol: JSON objects separated by newlines.

    ``type`` is the first member of what the bridge sends, so counting how messages begin counts them. The bridge puts
    its heartbeat into a frame wherever it comes, before, among or after events.
    """

    def pack(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return one frame with all messages."""
        return [b"\n".join(messages)]

    def count(self, payload: bytes) -> int:
        """Count events, or pongs; the two do not meet."""
        if payload.startswith(_PONG):
            return payload.count(_PONG)
        return payload.count(_EVENT) or payload.count(_PONG)

    def has_more(self, payload: bytes, counted: int) -> bool:
        """Tell whether a frame has more messages than were counted."""
        return payload.count(b"\n") >= counted

    def reply(self, payload: bytes) -> bytes | None:
        """Subscribe once welcome, and answer a heartbeat with what it carried."""
        if payload.startswith(b'{"type":"welcome"') and self.hears:
            return self._subscribe()
        if payload.startswith((b'{"type":"welcome"', b'{"type":"ok"')):
            self.is_ready = True
        if (at := payload.find(b'{"type":"error"')) >= 0:
            raise refusal(payload[at:])
        if (at := payload.find(b'{"type":"ping"')) >= 0:
            return payload[at:].split(b"\n", 1)[0].replace(b"ping", b"pong", 1)
        return None

    def _subscribe(self) -> bytes:
        return b'{"type":"subscribe","id":"1","events":["%b"]}' % EVENT.encode()


class EmitterWire(NativeWire):
    """Emits that the bridge answers once they are in the log; the answers are what counts."""

    def emit_acknowledged(self, target: str, sent_at: int, number: int) -> bytes:
        """Return an ``emit`` message with an id, which asks for the answer and drops a repeat."""
        return b'{"type":"emit","id":"%d-%d","ack":true,%b' % (
            sent_at,
            number,
            self.emit(target, sent_at).removeprefix(b'{"type":"emit",'),
        )

    def count(self, payload: bytes) -> int:
        """Count the answers."""
        return payload.count(b'{"type":"ok"')


class MemberWire(NativeWire):
    """A member of a durable group, which acknowledges what it is given.

    Args:
        group: its name.
        credit: how many unacknowledged events it holds at most.

    """

    def __init__(self, service: str, *, group: str, credit: int) -> None:
        super().__init__(service)
        self._group = group
        self._credit = credit

    def count(self, payload: bytes) -> int:
        """Count the events."""
        return payload.count(_EVENT)

    def acknowledge(self, payload: bytes) -> bytes | None:
        """Return one ``ack`` for all events of a frame."""
        ids = [piece[: piece.index(b'"')] for piece in payload.split(b'"delivery":"')[1:]]
        return b'{"type":"ack","deliveries":["%b"]}' % b'","'.join(ids)

    def _subscribe(self) -> bytes:
        return b'{"type":"subscribe","id":"1","events":["%b"],"group":"%b","credit":%d}' % (
            EVENT.encode(),
            self._group.encode(),
            self._credit,
        )


class PlainWire(JsonWire):
    """What a plain JSON consumer speaks: an object, or an array of objects, a frame."""

    def pack(self, messages: Sequence[bytes]) -> list[bytes]:
        """Return one frame, an array if there is more than one message."""
        return [messages[0] if len(messages) == 1 else b"[" + b",".join(messages) + b"]"]

    def count(self, payload: bytes) -> int:
        """Count the frame: the consumer sends one event a frame."""
        return 1 if payload.startswith((b'{"type": "event"', b'{"type": "pong"')) else 0

    def reply(self, payload: bytes) -> bytes | None:
        """Subscribe once welcome."""
        if payload.startswith(b'{"type": "welcome"') and self.hears:
            return b'{"type":"subscribe"}'
        self.is_ready = True
        return None
