"""From an emit to its logs: what an event looks like there, and emitting for services that have no session here."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import UNSET, Raw

from ipc.hub.explaining import check_may_emit
from ipc.hub.writer import Emission
from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, DeadlineError, IPCError, UnavailableError
from ipc.protocol.ids import new_ulid
from ipc.protocol.limits import Limits
from ipc.protocol.messages import Emit
from ipc.protocol.operations import OperationInfo, event_data
from ipc.protocol.patterns import check_event
from ipc.protocol.permissions import check_permission
from ipc.protocol.routing import Target, logs_of_target
from ipc.protocol.traceparent import valid
from ipc.stores.eventlog import NewEvent

if TYPE_CHECKING:
    from ipc.hub.hub import Hub

APPEND_TIMEOUT_S: Final = 10.0
EVENTS_A_TURN: Final = 32


def hashable(target: str | list[str] | None) -> Target:
    """Return a target as `route` takes it."""
    return tuple(target) if isinstance(target, list) else target


@lru_cache(maxsize=1024)
def route(target: Target) -> tuple[tuple[str, ...], str]:
    """Return the logs of a target, and the JSON of its canonical form.

    Raises:
        UnknownTargetError: it names no service.

    """
    logs = logs_of_target(target)
    return logs, codec.encode_json(list(logs) if len(logs) > 1 else logs[0])


def event_frame(message: Emit, target: str, event_id: str, service: str, ts_ms: int, limits: Limits) -> str:
    """Return the ``event`` message up to where the log adds its name and the position.

    Raises:
        BadMessageError: the data or meta is wrong.

    """
    data = codec.checked_json(bytes(message.data), limits)
    frame = (
        f'{{"type":"event","id":{codec.encode_json(event_id)},"event":"{message.event}","source":"{service}",'
        f'"target":{target},"ts":{ts_ms},"data":{data}'
    )
    if message.meta is not UNSET:
        meta = codec.checked_json(bytes(message.meta), limits, name="meta").strip()
        if meta != "null":
            if not meta.startswith("{"):
                raise BadMessageError("meta is an object")
            frame += f',"meta":{meta}'
    if message.traceparent is not None and (traceparent := valid(message.traceparent)) is not None:
        frame += f',"traceparent":"{traceparent}"'
    return frame


@dataclass(frozen=True, slots=True)
class Emitted:
    """An event that is safe: its id, its position in each of its logs, and whether it was in all of them before."""

    id: str
    positions: dict[str, str]
    is_repeat: bool

    @property
    def position(self) -> str:
        """The position in the first of its logs."""
        return next(iter(self.positions.values()))


class _Waiting:
    """Waits until all logs of one event have said what became of it."""

    def __init__(self, event_id: str, logs: tuple[str, ...]) -> None:
        self.outcome: asyncio.Future[Emitted | IPCError] = asyncio.get_running_loop().create_future()
        self._id = event_id
        self._logs = logs
        self._positions: dict[str, str] = {}
        self._error: IPCError | None = None
        self._is_fresh = False

    def accepted(self, log: str, position: str, *, is_repeat: bool) -> None:
        """Take note of a position."""
        self._is_fresh = self._is_fresh or not is_repeat
        self._positions[log] = position
        self._settle()

    def refused(self, log: str, error: IPCError) -> None:
        """Take note of a failure, which is the outcome when all logs have spoken."""
        self._error = error
        self._positions[log] = ""
        self._settle()

    def _settle(self) -> None:
        if len(self._positions) == len(self._logs) and not self.outcome.done():
            positions = {log: self._positions[log] for log in self._logs}
            emitted = Emitted(self._id, positions, is_repeat=not self._is_fresh)
            self.outcome.set_result(self._error or emitted)


async def emit_as(
    hub: "Hub", service: str, permissions: frozenset[str], messages: Sequence[Emit]
) -> list[Emitted | IPCError]:
    """Append events, in their order, in the name of a service that has no session here.

    Each has an outcome of its own: what was wrong with one does not keep the others out.

    Raises:
        UnavailableError: the hub is draining.

    """
    if hub.is_draining:
        raise UnavailableError("this hub is stopping; come back elsewhere", code=ErrorCode.DRAINING)
    outcomes: list[asyncio.Future[Emitted | IPCError] | IPCError] = []
    try:
        async with asyncio.timeout(APPEND_TIMEOUT_S):
            for number, message in enumerate(messages):
                if number and not number % EVENTS_A_TURN:
                    await asyncio.sleep(0)
                outcomes.append(await _begin(hub, service, permissions, message))
            if pending := _futures(outcomes):
                await asyncio.wait(pending)
    except TimeoutError:
        late = DeadlineError("not appended in time, but it may be yet: emit it again with the same id")
        outcomes += [late] * (len(messages) - len(outcomes))
        return [_outcome(each, late) for each in outcomes]
    return [each.result() if isinstance(each, asyncio.Future) else each for each in outcomes]


async def _begin(
    hub: "Hub", service: str, permissions: frozenset[str], message: Emit
) -> "asyncio.Future[Emitted | IPCError] | IPCError":
    """Hand an event to the writers of its logs, and return what will be its outcome."""
    event_id = message.id if message.id is not None else new_ulid()
    try:
        check_permission(permissions, "emit", check_event(message.event))
        check_may_emit(message.event)
        logs, target = route(hashable(message.target))
        frame = event_frame(message, target, event_id, service, time.time_ns() // 1_000_000, hub.limits)
    except IPCError as error:
        hub.counters.refuse(service, error.code)
        return error
    hub.drift.saw(service, message.event, message.data)
    await hub.logs.room(logs)
    waiting = _Waiting(event_id, logs)
    key = f"{service}/{message.id}" if message.id is not None else ""
    for log in logs:
        hub.logs.writer(log).put(Emission(NewEvent(key, message.event, frame), waiting, service))
    return waiting.outcome


def emit_operation(hub: "Hub", info: OperationInfo) -> None:
    """Emit the event that tells the target of an operation how it is; nobody waits for it."""
    logs, target = route(info.target)
    message = Emit(event=info.event, data=Raw(msgspec.json.encode(event_data(info))))
    frame = event_frame(message, target, new_ulid(), info.service, info.updated_ms, hub.limits)
    for log in logs:
        hub.logs.writer(log).put(Emission(NewEvent("", info.event, frame), None, info.service))


def _futures(
    outcomes: Sequence["asyncio.Future[Emitted | IPCError] | IPCError"],
) -> "list[asyncio.Future[Emitted | IPCError]]":
    return [each for each in outcomes if isinstance(each, asyncio.Future)]


def _outcome(each: "asyncio.Future[Emitted | IPCError] | IPCError", late: IPCError) -> Emitted | IPCError:
    if isinstance(each, asyncio.Future):
        return each.result() if each.done() else late
    return each
