"""An event as conditions and shapes see it."""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from ipc.hub.terms import Condition, Shape, Terms
from ipc.jsonlex import JSONLexError
from ipc.protocol.frames import closed
from ipc.protocol.messages import Event

_DATA: Final = ',"data":'


class _Logged(Struct):
    """What conditions and shapes see of an event: all that its emitter and the hub have said, and not where it is.

    So they say the same of it in every log, and again when it is redriven.
    """

    id: str = ""
    event: str = ""
    source: str = ""
    target: str | list[str] = ""
    data: Any = None
    ts: int = 0
    meta: Any = None


class _Data(Struct):
    data: Raw = Raw(b"null")


_logged: Final = msgspec.json.Decoder(_Logged)
_data: Final = msgspec.json.Decoder(_Data)


class Sight:
    """An event of a log, decoded when somebody first asks; each condition and each shape is evaluated once.

    Args:
        frame: the ``event`` message up to where the log adds its name, as in `Entry`.

    """

    __slots__ = ("_context", "_frame", "_shaped", "_verdicts", "sent")

    def __init__(self, frame: str) -> None:
        self._frame = frame
        self.sent: dict[str, tuple[str, int]] = {}
        """The messages that were made of its frames, with their sizes in bytes."""
        self._context: dict[str, Any] | None = None
        self._verdicts: dict[Condition, bool | JSONLexError] = {}
        self._shaped: dict[Shape, tuple[str, JSONLexError | None]] = {}

    @property
    def context(self) -> dict[str, Any]:
        """What expressions see."""
        if self._context is None:
            self._context = msgspec.structs.asdict(_logged.decode(closed(self._frame)))
        return self._context

    def is_wanted(self, terms: Terms) -> bool:
        """Tell whether the condition of a subscription holds; one that cannot be evaluated does not."""
        condition = terms.where
        if condition is None:
            return True
        verdict = self._verdicts.get(condition)
        if verdict is None:
            verdict = self._verdicts[condition] = _verdict(condition, self.context)
        if isinstance(verdict, JSONLexError):
            terms.failed("where", self.context["event"], verdict)
            return False
        return verdict

    def shaped(self, terms: Terms) -> str:
        """Return the frame with the data that a subscription has selected.

        Where that cannot be evaluated, the data is whole and ``select_error`` says why.
        """
        shape = terms.select
        if shape is None:
            return self._frame
        found = self._shaped.get(shape)
        if found is None:
            found = self._shaped[shape] = self._select(shape)
        frame, error = found
        if error is not None:
            terms.failed("select", self.context["event"], error)
        return frame

    def _select(self, shape: Shape) -> tuple[str, JSONLexError | None]:
        try:
            selected = shape.projection.encode(self.context).decode()
        except JSONLexError as error:
            return f'{self._frame},"select_error":{{"code":"{error.code}"}}', error
        frame = self._frame
        data = bytes(_data.decode(closed(frame)).data).decode()
        # Nothing before it is nested, and inside of text the quotes would be escaped.
        begin = frame.index(_DATA) + len(_DATA)
        return f"{frame[:begin]}{selected}{frame[begin + len(data) :]}", None


def _verdict(condition: Condition, context: dict[str, Any]) -> bool | JSONLexError:
    try:
        return condition.predicate.matches(context)
    except JSONLexError as error:
        return error


def context_of(event: Event) -> dict[str, Any]:
    """Return what expressions see of an event that has been delivered whole."""
    return {
        "id": event.id,
        "event": event.event,
        "source": event.source,
        "target": event.target,
        "data": msgspec.json.decode(event.data),
        "ts": event.ts,
        "meta": event.meta,
    }
