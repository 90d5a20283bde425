"""The marks of operators on events that are delivered again: which replay brings one, and who has changed its data.

A frame is the ``event`` message up to where the log adds its name, as in `ipc.stores.eventlog.Entry`. Marks are members
of the message itself, and not of ``meta``, which belongs to the emitter: nobody but an operator can make one.
"""

import msgspec
from msgspec import Raw

from ipc.protocol.frames import closed
from ipc.protocol.messages import ReplayMark

_encoder = msgspec.json.Encoder()


def once_key(source: str, event_id: str, mark: ReplayMark | None) -> str:
    """Return what a group that handles events once knows one by: the same when its emitter appends it again.

    An event that a replay brings to be handled again is another one, and the same one for all of that replay.
    """
    key = f"{source}/{event_id}"
    return f"{key} {mark.id}" if mark is not None and mark.again else key


def replayed(frame: str, mark: ReplayMark) -> str:
    """Return a frame with the mark of a replay."""
    return f'{frame},"replay":{_encoder.encode(mark).decode()}'


def edited(frame: str, data: str, by: str) -> str:
    """Return a frame with other data, checked JSON of one line, and the name of the operator who has changed them."""
    members: dict[str, Raw] = msgspec.json.decode(closed(frame), type=dict[str, Raw])
    members["data"] = Raw(data.encode())
    members["edited"] = Raw(_encoder.encode(by))
    return _encoder.encode(members).decode().removesuffix("}")
