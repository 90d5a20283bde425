"""What a session emits: each event goes to the writers of its logs, and is answered when all of them have spoken."""

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET

from ipc.hub.emitting import event_frame, hashable, route
from ipc.hub.explaining import check_may_emit
from ipc.hub.session import Session
from ipc.hub.writer import Emission
from ipc.protocol.discovery import MAX_EMITS
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.protocol.messages import Emit, Ok
from ipc.protocol.patterns import check_event
from ipc.protocol.permissions import check_permission
from ipc.stores.eventlog import NewEvent

if TYPE_CHECKING:
    from ipc.hub.hub import Hub


def emit(hub: "Hub", session: Session, message: Emit) -> bool:
    """Hand an event to the writers of its logs; tell whether one of them is full."""
    try:
        if message.ack and message.id is None:
            raise BadMessageError("an emit with ack needs an id, which the ok repeats")
        event = check_event(message.event)
        check_permission(session.identity.permissions, "emit", event)
        if event not in session.emits:
            check_may_emit(event)
            _describe(hub, session, event)
        logs, target = route(hashable(message.target))
        event_id = message.id if message.id is not None else f"{session.id}-{session.emitted + 1}"
        frame = event_frame(message, target, event_id, session.service, session.last_activity_ms, session.limits)
        session.emitted += 1
        hub.drift.saw(session.service, event, message.data)
    except IPCError as error:
        hub.proofs.refusals.refuse(session, error, message.id)
        return False
    key = f"{session.service}/{message.id}" if message.id is not None else ""
    receipt = _EmitReceipt(session, message.id, logs, message.ack)
    is_full = False
    for log in logs:
        writer = hub.logs.writer(log)
        writer.put(Emission(NewEvent(key, event, frame), receipt, session.service))
        is_full = is_full or writer.is_full
    return is_full


def _describe(hub: "Hub", session: Session, event: str) -> None:
    """Take note that a session emits an event, up to a number of names."""
    if len(session.emits) < MAX_EMITS:
        session.emits[event] = None
        hub.described_anew(session)


class _EmitReceipt(msgspec.Struct):
    """Answers an emit when all of its logs have said what became of it."""

    session: Session
    request_id: str | None
    logs: tuple[str, ...]
    is_asked: bool
    positions: dict[str, str] = {}
    error: IPCError | None = None
    is_fresh: bool = False

    def accepted(self, log: str, position: str, *, is_repeat: bool) -> None:
        """Take note of a position; with the last one the emitter is told."""
        self.is_fresh = self.is_fresh or not is_repeat
        if len(self.logs) > 1:
            self.positions[log] = position
            self._answer()
        elif self.is_asked:
            self._tell({log: position})

    def refused(self, log: str, error: IPCError) -> None:
        """Take note of a failure; with the last log the emitter is told."""
        self.error = error
        self.positions[log] = ""
        self._answer()

    def _answer(self) -> None:
        if len(self.positions) < len(self.logs):
            return
        if self.error is not None:
            self.session.refuse(self.error, self.request_id)
        elif self.is_asked:
            self._tell({log: self.positions[log] for log in self.logs})

    def _tell(self, positions: dict[str, str]) -> None:
        duplicate = UNSET if self.is_fresh else True
        ok = Ok(id=self.request_id, position=positions[self.logs[0]], positions=positions, duplicate=duplicate)
        self.session.answer(ok)
