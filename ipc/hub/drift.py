"""What services have declared of their events, and whether what they emit still fits it.

No event is refused for it, and none waits for it: a few a second of each declared event are looked at afterwards.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import msgspec

from ipc.hub.counters import Counters
from ipc.hub.explaining import check_may_emit
from ipc.hub.schema_check import Misfit, SchemaCheck
from ipc.hub.session import Session
from ipc.hub.stores import DeclarationStore
from ipc.protocol.codes import ErrorCode
from ipc.protocol.declarations import MAX_EVENTS, Declaration, DeclaredEvent, Drift, check_declaration
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.protocol.permissions import check_permission

logger = logging.getLogger(__name__)

SAMPLE_S: Final = 0.2
"""How long after one event of a name was looked at the next one is."""
MAX_WAITING: Final = 64
MAX_SAMPLE_BYTES: Final = 32 * 1024
TURN_S: Final = 0.02
"""How long events are looked at in one go."""
MAX_LOOK_S: Final = 0.04
"""An event is not looked at that may take longer by what is known of its schema and of its length."""
TOO_COSTLY_S: Final = 0.01
"""A schema that took longer for one event is not looked at any more."""
REST_S: Final = 600.0
"""How long nothing of a service is looked at then: with schema after schema it would hold up all others."""
LOOK_S: Final = 0.5
WARN_S: Final = 60.0


class _Watched:
    """One declared event."""

    def __init__(self, service: str, declaration: Declaration) -> None:
        self.service = service
        self.event = declaration.event
        self.schema = msgspec.json.encode(declaration.schema)
        self.check = SchemaCheck(declaration.schema)
        self.is_checked = self.check.byte_ns is not None
        self.next_s = 0.0
        self.warn_s = 0.0

    def may_look(self, size: int) -> bool:
        """Tell whether data of so many bytes can be looked at while others wait."""
        return self.is_checked and size * (self.check.byte_ns or 0.0) <= MAX_LOOK_S * 1e9


class DriftWatch:
    """What one hub is told of events, and what it finds out.

    Args:
        store: where it is written.

    """

    def __init__(self, store: DeclarationStore, counters: Counters) -> None:
        self._store = store
        self._counters = counters
        self._watched: dict[str, dict[str, _Watched]] = {}
        self._rests_until_s: dict[str, float] = {}
        self._waiting: list[tuple[_Watched, bytes]] = []
        self._found: defaultdict[str, dict[str, Drift]] = defaultdict(dict)

    async def declare(self, session: Session, declarations: Sequence[Declaration]) -> None:
        """Take what a session says of the events of its service: all of it, or nothing.

        Raises:
            BadMessageError: a declaration is wrong, or an event is declared twice.
            ForbiddenError: the service may not emit one of them.
            UnavailableError: Redis is out of reach.

        """
        service, now_ms = session.service, time.time_ns() // 1_000_000
        watched: dict[str, _Watched] = {}
        for declaration in declarations:
            check_declaration(declaration)
            check_permission(session.identity.permissions, "emit", declaration.event)
            check_may_emit(declaration.event)
            if declaration.event in watched:
                raise BadMessageError(f"{declaration.event} is declared twice")
            watched[declaration.event] = self._watch(service, declaration)
            # Others have their turn: to compile a schema takes as long as to deliver many events.
            await asyncio.sleep(0)
        await self._store.put(
            [
                DeclaredEvent(
                    service=service,
                    declaration=each,
                    declared_ms=now_ms,
                    is_checked=watched[each.event].is_checked,
                )
                for each in declarations
            ]
        )
        if session.is_closed:
            return
        # Those said longest ago come first, and go first.
        before = self._watched.get(service, {})
        kept = {event: each for event, each in before.items() if event not in watched} | watched
        self._watched[service] = dict(list(kept.items())[-MAX_EVENTS:])

    def left(self, service: str) -> None:
        """Forget what a service has declared that has no session here any more."""
        self._watched.pop(service, None)

    def saw(self, service: str, event: str, data: msgspec.Raw) -> None:
        """Take note of an event that was emitted; this is on the way of every event, and looks at none."""
        of_service = self._watched.get(service)
        if of_service is None or (watched := of_service.get(event)) is None:
            return
        now_s = time.monotonic()
        if now_s < watched.next_s or len(self._waiting) >= MAX_WAITING or now_s < self._rests_until_s.get(service, 0.0):
            return
        if len(data) <= MAX_SAMPLE_BYTES and watched.may_look(len(data)):
            watched.next_s = now_s + SAMPLE_S
            self._waiting.append((watched, bytes(data)))

    async def look(self) -> None:
        """Look at what waits, and write down what was found; a failure to write is made up for the next time."""
        until_s = time.monotonic() + TURN_S
        waiting, self._waiting = self._waiting, []
        for watched, data in waiting:
            if time.monotonic() > until_s:
                break
            if watched.is_checked:
                self._look_at(watched, data)
        found, self._found = self._found, defaultdict(dict)
        for service, drifts in found.items():
            try:
                await self._store.add_drift(service, drifts)
            except IPCError as error:
                logger.warning("what does not fit its schema is written down later: %s", error)
                for event, drift in drifts.items():
                    self._add(service, event, drift)

    async def keep(self) -> None:
        """Keep for longer what the services that are here have declared."""
        if services := sorted(self._watched):
            try:
                await self._store.keep(services)
            except IPCError as error:
                logger.warning("what services have declared is kept for longer the next time: %s", error)

    def _watch(self, service: str, declaration: Declaration) -> _Watched:
        """Return what looks at an event, the same one for the same schema.

        Raises:
            BadMessageError: INVALID_DATA, the schema is none, or an example does not fit it.

        """
        before = self._watched.get(service, {}).get(declaration.event)
        is_known = before is not None and before.schema == msgspec.json.encode(declaration.schema)
        watched = before if before is not None and is_known else _Watched(service, declaration)
        for number, example in enumerate(declaration.examples):
            if not watched.may_look(len(msgspec.json.encode(example))):
                continue
            if (misfit := watched.check.misfit(example)) is not None:
                raise BadMessageError(
                    f"example {number} of {declaration.event} does not fit its schema at {misfit.pointer!r}: "
                    f"{misfit.error}",
                    code=ErrorCode.INVALID_DATA,
                    details={"pointer": f"/examples/{number}{misfit.pointer}"},
                )
        return watched

    def _look_at(self, watched: _Watched, data: bytes) -> None:
        began_s = time.monotonic()
        misfit = watched.check.misfit(msgspec.json.decode(data))
        now_s = time.monotonic()
        if now_s - began_s > TOO_COSTLY_S:
            watched.is_checked = False
            self._rests_until_s[watched.service] = now_s + REST_S
            logger.warning("%s of %s has a schema that takes too long to check", watched.event, watched.service)
        self._add(watched.service, watched.event, _drift(misfit))
        if misfit is not None:
            self._counters.events_drifted += 1
            if now_s >= watched.warn_s:
                watched.warn_s = now_s + WARN_S
                place = (watched.event, watched.service, misfit.pointer, misfit.error)
                logger.warning("%s of %s does not fit its schema at %r: %s", *place)

    def _add(self, service: str, event: str, new: Drift) -> None:
        old = self._found[service].get(event, Drift())
        last = new if new.drifted else old
        self._found[service][event] = msgspec.structs.replace(
            last, checked=old.checked + new.checked, drifted=old.drifted + new.drifted
        )


def _drift(misfit: Misfit | None) -> Drift:
    if misfit is None:
        return Drift(checked=1)
    now_ms = time.time_ns() // 1_000_000
    return Drift(checked=1, drifted=1, last_error=misfit.error, last_pointer=misfit.pointer, last_ms=now_ms)
