"""Who waits for which answer on one namespace: requests by the id that the hub repeats."""

from typing import NamedTuple

from bridge.doors.socketio.asking import AskedEmit


class Asked(NamedTuple):
    """A request on its way: its event's name, the number of its callback, and what an emit's answer repeats."""

    name: str
    number: int | None
    emit: AskedEmit | None = None


class Requests:
    """What waits for its answer. Emits may have one id, and are answered in their order."""

    def __init__(self) -> None:
        self._asked: dict[str, list[Asked]] = {}

    def __contains__(self, request_id: str) -> bool:
        return request_id in self._asked

    def expect(self, request_id: str, asked: Asked) -> None:
        """Remember a request."""
        if (others := self._asked.get(request_id)) is None:
            self._asked[request_id] = [asked]
        else:
            others.append(asked)

    def answered(self, request_id: str | None) -> Asked | None:
        """Forget the first request of an id, and return it."""
        if request_id is None or (waiting := self._asked.get(request_id)) is None:
            return None
        if len(waiting) == 1:
            del self._asked[request_id]
        return waiting.pop(0)

    def emit_answered(self, request_id: str | None) -> tuple[AskedEmit, int | None] | None:
        """Forget the first request of an id if it is an emit, and return that with the number of its callback."""
        waiting = self._asked.get(request_id) if request_id is not None else None
        if not waiting or (emit := waiting[0].emit) is None:
            return None
        number = waiting[0].number
        self.answered(request_id)
        return emit, number
