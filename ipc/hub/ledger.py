"""Asking the ledger: what each group has done with one event."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ipc.hub.loop_time import LoopTime
from ipc.hub.sight import Sight
from ipc.hub.stores import LedgerStore
from ipc.hub.terms import terms_of
from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode
from ipc.protocol.delivery_status import EventPlace, EventStatus, GroupFacts, GroupStatus, group_status
from ipc.protocol.errors import BadMessageError, DeadlineError, ForbiddenError
from ipc.protocol.messages import MAX_ID_LENGTH
from ipc.protocol.positions import check_position, position_key
from ipc.protocol.retry import check_group
from ipc.protocol.routing import BROADCAST, is_own_log, logs_of_target, own_log
from ipc.protocol.services import full_name
from ipc.stores.event_search import Search, Sighting
from ipc.stores.ledger import Facts

MAX_ASKING: Final = 4
ANSWER_S: Final = 8.0
MAX_REDRIVEN: Final = 16


class DeliveryLedger:
    """The ledger as a hub answers for it; at most four questions are worked on at a time."""

    def __init__(self, store: LedgerStore, loop_time: LoopTime) -> None:
        self._store = store
        self._loop_time = loop_time
        self._asking = asyncio.Semaphore(MAX_ASKING)

    async def status(
        self, event_id: str, *, source: str | None = None, log: str | None = None, position: str | None = None
    ) -> EventStatus:
        """Return what has become of an event.

        Args:
            event_id: its id, as the emitter gave it or as the bridge made it.
            source: the service that emitted it, where ids of several services may be the same.
            log: with ``position``, where it is, so that it need not be looked for.
            position: its position in that log.

        Raises:
            BadMessageError: EVENT_NOT_FOUND, with how far was looked; AMBIGUOUS_EVENT, with the sources that have an
                event of this id; or an argument is wrong.
            UnavailableError: Redis is out of reach, or it took too long.

        """
        check_event_id(event_id)
        name = full_name(source) if source is not None else None
        where = check_place(log, position)
        try:
            async with asyncio.timeout(ANSWER_S), self._asking:
                search = await self._search(event_id, name, where)
                return await self._status(event_id, search.sightings)
        except TimeoutError as error:
            raise DeadlineError(f"what became of {event_id} was not found out within {ANSWER_S:g} s") from error

    async def _search(self, event_id: str, source: str | None, where: tuple[str, str] | None) -> Search:
        if where is not None:
            return Search([await self._at(event_id, source, *where)])
        search = await self._store.find(event_id, source=source)
        if not search.sightings:
            raise _not_found(event_id, search)
        sources = sorted({seen.source for seen in search.sightings if seen.source is not None})
        if len(sources) > 1:
            raise BadMessageError(
                f"{', '.join(sources)} have each emitted an event with the id {event_id}: say which source is meant",
                code=ErrorCode.AMBIGUOUS_EVENT,
                details={"sources": sources},
            )
        return search

    async def _at(self, event_id: str, source: str | None, log: str, position: str) -> Sighting:
        """Return the event at a place; where the log has dropped it, what is there can only be believed."""
        seen = await self._store.at(log, position)
        is_another = seen.head is not None and (seen.head.id != event_id or source not in {None, seen.source})
        is_ahead = seen.head is None and not is_own_log(log) and not await self._was_reached(log, position)
        if is_another or is_ahead or (seen.head is None and source is not None):
            reason = "another event is there" if is_another else "the log has not come so far, or it cannot be verified"
            raise BadMessageError(
                f"there is no event {event_id} at {position} of {log}: {reason}",
                code=ErrorCode.EVENT_NOT_FOUND,
                details={"log": log, "position": position},
            )
        return seen

    async def _was_reached(self, log: str, position: str) -> bool:
        last = await self._store.last(log)
        return position_key(position) <= position_key(last)

    async def _status(self, event_id: str, sightings: Sequence[Sighting]) -> EventStatus:
        head = next((seen.head for seen in sightings if seen.head is not None), None)
        event = head.event if head is not None else None
        groups: list[GroupStatus] = []
        asked_ms, has_more = 0, False
        for seen in sightings:
            facts = await self._store.facts(seen.log, seen.position, event)
            conditions = await self._judged(seen.frame, facts.groups)
            groups += [await self._followed(of_group, event, conditions) for of_group in facts.groups]
            asked_ms, has_more = facts.now_ms, has_more or facts.has_more
        places = [EventPlace(log=seen.log, position=seen.position, in_log=seen.head is not None) for seen in sightings]
        if head is not None and not is_own_log(sightings[0].log):
            known = {seen.log for seen in sightings}
            missing = [log for log in logs_of_target(head.target) if log not in known]
            places += [EventPlace(log=log, position=None, in_log=False) for log in missing]
        return EventStatus(
            id=event_id,
            event=event,
            source=head.source if head is not None else sightings[0].source,
            target=head.target if head is not None else None,
            ts=head.ts if head is not None else None,
            logs=places,
            groups=groups,
            asked_ms=asked_ms,
            has_more=has_more,
        )

    async def _judged(self, frame: str, groups: Sequence[GroupFacts]) -> dict[str, bool]:
        """Return which conditions of groups hold for an event, none where it is not there any more."""
        found: dict[str, bool] = {}
        if not frame:
            return found
        sight = Sight(frame)
        for where in {definition.where for facts in groups for definition in facts.definitions if definition.where}:
            await self._loop_time.room()
            began = time.perf_counter()
            found[where] = sight.is_wanted(
                terms_of(msgspec.json.decode(where), None, owner="a group that is asked for")
            )
            self._loop_time.use(time.perf_counter() - began)
        return found

    async def _followed(self, facts: GroupFacts, event: str | None, conditions: Mapping[str, bool]) -> GroupStatus:
        """Return the status of a group, from its own log where the event was redriven into that."""
        redriven = 0
        while facts.receipt is not None and facts.receipt.moved_to and redriven < MAX_REDRIVEN:
            redriven += 1
            own = own_log(facts.service, facts.group)
            name = f"{facts.service}/{facts.group}"
            moved: Facts = await self._store.facts(own, facts.receipt.moved_to, event, only=name)
            if not moved.groups:
                break
            facts = moved.groups[0]
        status = group_status(facts, event, lambda definition: conditions.get(definition.where))
        status.redriven = redriven
        return status


def check_event_id(event_id: str) -> str:
    """Return the id of an event if there can be one of it.

    Raises:
        BadMessageError: it is empty, too long, or no text that JSON can carry.

    """
    if not 0 < len(event_id) <= MAX_ID_LENGTH:
        raise BadMessageError(f"an event's id has 1 to {MAX_ID_LENGTH} characters, this has {len(event_id)}")
    codec.encode_json(event_id)
    return event_id


def check_place(log: str | None, position: str | None) -> tuple[str, str] | None:
    """Return a place by its log's full name, or None where none is given.

    Raises:
        BadMessageError: one of the two is missing or wrong.
        UnknownServiceError: there is no such log.

    """
    if log is None and position is None:
        return None
    if log is None or position is None:
        raise BadMessageError("a place is a log and a position: give both, or neither")
    service, _, group = log.partition("/")
    name = BROADCAST if log == BROADCAST else full_name(service)
    return own_log(name, check_group(group)) if is_own_log(log) else name, check_position(position)


def _not_found(event_id: str, search: Search) -> BadMessageError:
    how_far = "all that the logs have" if search.is_whole else "as far as time allows"
    return BadMessageError(
        f"there is no event {event_id}: it is none of the {search.looked} looked at, which was {how_far}; give its log "
        "and position if you know them",
        code=ErrorCode.EVENT_NOT_FOUND,
        details={"looked": search.looked, "whole": search.is_whole},
    )


def check_may_ask(permissions: frozenset[str], service: str, source: str | None) -> str | None:
    """Return whose event a session of a service may ask for: its own, or with the permission ``*`` anybody's.

    Raises:
        ForbiddenError: it may not ask for another's.
        UnknownServiceError: there is no such service.

    """
    if "*" in permissions:
        return source
    if source is not None and full_name(source) != service:
        raise ForbiddenError(
            f"this session may ask for the events of {service}, not for those of {full_name(source)}",
            details={"needed": "*"},
        )
    return service
