"""Calls between hubs: what one hub sends to another by its address, and what it makes of what comes back."""

import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ipc.hub.calls import Calls
from ipc.hub.choice import nobody
from ipc.hub.counters import Counters
from ipc.hub.interhub import Interhub, Item
from ipc.hub.open_call import Answer, OpenCall, Request
from ipc.hub.owners import Owner
from ipc.hub.session import Session
from ipc.protocol.errors import IPCError, OverloadedError
from ipc.protocol.messages import CallError

logger = logging.getLogger(__name__)

# What an item has besides its text.
_ITEM_BYTES: Final = 200
MAX_TAKEN: Final = 20_000

Send = Callable[[str, dict[str, Any]], Awaitable[None]]


class CallExchange:
    """One hub's side of the calls that it shares with others.

    Args:
        sessions: of this hub, by id.
        address: returns the channel where this hub is reached.
        send: sends a message to a channel.
        is_draining: tells whether this hub takes no more calls.

    """

    def __init__(
        self,
        hub_id: str,
        calls: Calls,
        sessions: Mapping[str, Session],
        *,
        address: Callable[[], str],
        send: Send,
        is_draining: Callable[[], bool],
        counters: Counters,
    ) -> None:
        self._calls = calls
        self._sessions = sessions
        self._is_draining = is_draining
        self._counters = counters
        self._lines = Interhub(hub_id, address=address, send=send, counters=counters, on_lost=self._lost)
        self._taken: OrderedDict[tuple[str, str], OpenCall] = OrderedDict()
        calls.share(give_away=self._give_away, take_back=self._take_back, is_lost=self._is_lost)

    async def take(self, message: Mapping[str, Any]) -> None:
        """Take what another hub has sent."""
        hub_id, address = message["hub"], message["address"]
        self._lines.heard(hub_id)
        for item in message["items"]:
            match item:
                case ["call", *rest]:
                    self._called(hub_id, address, *rest)
                case ["reply", call_id, data, error]:
                    self._replied(call_id, data, error)
                case ["refused", call_id, is_busy]:
                    self._refused(call_id, is_busy=is_busy)
                case ["cancel", call_id]:
                    if (call := self._taken.get((hub_id, call_id))) is not None and not call.is_over:
                        self._calls.abandon(call)
                case ["probe"]:
                    self._lines.put(address, ["here"], _ITEM_BYTES)
                case _:
                    pass

    async def close(self) -> None:
        """Send what waits, and end."""
        await self._lines.close()

    # To other hubs

    def _give_away(self, call: OpenCall, owner: Owner) -> bool:
        request, claim = call.request, owner.claim
        item = ["call", call.id, claim.session, request.resource, request.op, request.body, call.left_ms]
        return self._lines.put(claim.address, item, len(request.body) + _ITEM_BYTES)

    def _take_back(self, call: OpenCall) -> None:
        if call.owner is not None:
            self._lines.put(call.owner.claim.address, ["cancel", call.id], _ITEM_BYTES)

    def _is_lost(self, owner: Owner, waiting_since: float) -> bool:
        return self._lines.is_lost(owner.claim.hub, owner.claim.address, waiting_since)

    def _lost(self, items: Sequence[Item]) -> None:
        for item in items:
            if item[0] == "call" and (call := self._calls.find(item[1])) is not None:
                self._calls.lose(call, "the hub of its owner could not be reached")

    # From other hubs

    def _called(
        self, hub_id: str, address: str, call_id: str, session_id: str, resource: str, op: str, body: str, left_ms: int
    ) -> None:
        session = self._sessions.get(session_id)
        caller = _HubCaller(self._lines, address, lambda: self._taken.pop((hub_id, call_id), None))
        if session is None or session.is_closed or self._is_draining():
            self._lines.put(address, ["refused", call_id, False], _ITEM_BYTES)
            return
        if self._calls.answering(session) >= session.limits.calls_per_owner:
            self._lines.put(address, ["refused", call_id, True], _ITEM_BYTES)
            return
        request = Request(resource, op, body, None, is_repeatable=False)
        try:
            call = self._calls.take(caller, call_id, request, left_ms / 1000, session)
        except IPCError as error:
            caller.replied(call_id, Answer.of(error))
            return
        self._taken[hub_id, call_id] = call

    def _refused(self, call_id: str, *, is_busy: bool) -> None:
        call = self._calls.find(call_id)
        if call is not None:
            resource = call.request.resource
            busy = OverloadedError(f"whoever serves {resource} has as many calls as it takes", retry_after_ms=50)
            self._calls.refused(call, busy if is_busy else nobody(call.request))

    def _replied(self, call_id: str, data: str | None, error: bytes | str | None) -> None:
        call = self._calls.find(call_id)
        if call is None:
            self._counters.replies_late += 1
            return
        answer = Answer(data, msgspec.json.decode(error, type=CallError) if error is not None else None)
        if answer.error is not None and answer.error.code == "OWNER_LOST":
            self._calls.lose(call, answer.error.message)
        else:
            self._calls.finish(call, answer)


class _HubCaller:
    """Another hub, which waits for the reply to a call of one of its sessions."""

    def __init__(self, lines: Interhub, address: str, forget: Callable[[], object]) -> None:
        self._lines = lines
        self._address = address
        self._forget = forget

    def replied(self, call_id: str, answer: Answer) -> None:
        self._forget()
        error = msgspec.json.encode(answer.error).decode() if answer.error is not None else None
        size = len(answer.data or "") + len(error or "") + _ITEM_BYTES
        if not self._lines.put(self._address, ["reply", call_id, answer.data, error], size):
            logger.warning("a reply was dropped, because too much waits for the hub of its caller")
