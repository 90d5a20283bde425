"""Calls between hubs: what one hub sends to another by its address, and what it makes of what comes back."""

import logging
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ipc.hub.calls import Calls
from ipc.hub.counters import Counters
from ipc.hub.interhub import MAX_ADDRESSES, Interhub, Item
from ipc.hub.open_call import Answer, OpenCall, Request, nobody
from ipc.hub.owners import Directory, Owner
from ipc.hub.probing import PROBE_AFTER_S, Probing
from ipc.hub.session import Session
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError, OverloadedError
from ipc.protocol.messages import CallError

logger = logging.getLogger(__name__)

# What an item has besides its text.
_ITEM_BYTES: Final = 200

Send = Callable[[str, dict[str, Any]], Awaitable[None]]


class CallExchange:
    """One hub's side of the calls that it shares with others.

    Args:
        directory: who serves what.
        sessions: of this hub, by id.
        address: returns the channel where this hub is reached.
        send: sends a message to a channel.
        is_draining: tells whether this hub takes no more calls.

    """

    def __init__(
        self,
        hub_id: str,
        calls: Calls,
        directory: Directory,
        sessions: Mapping[str, Session],
        *,
        address: Callable[[], str],
        send: Send,
        is_draining: Callable[[], bool],
        counters: Counters,
    ) -> None:
        self._calls = calls
        self._directory = directory
        self._sessions = sessions
        self._is_draining = is_draining
        self._counters = counters
        self._lines = Interhub(hub_id, address=address, send=send, counters=counters, on_lost=self._lost)
        self._probing = Probing(self._ask)
        self._addresses: OrderedDict[str, str] = OrderedDict()
        self._taken: dict[tuple[str, str], OpenCall] = {}
        calls.share(give_away=self._give_away, take_back=self._take_back, look=self._look)
        directory.ask_lost = self._probing.probe

    async def take(self, message: Mapping[str, Any]) -> None:
        """Take what another hub has sent; an item that is not understood, as of another version, is passed over."""
        hub_id, address = message["hub"], message["address"]
        self._heard(hub_id, address)
        for item in message["items"]:
            try:
                self._take(hub_id, address, item)
            except (TypeError, ValueError, LookupError, AttributeError, msgspec.MsgspecError) as error:
                self._counters.pushes_unknown += 1
                logger.warning("an item of another hub was not understood: %r", error)

    async def close(self) -> None:
        """Send what waits, and end."""
        await self._lines.close()

    def _take(self, hub_id: str, address: str, item: Sequence[Any]) -> None:
        match item:
            case ["call", *rest]:
                self._called(hub_id, address, *rest)
            case ["reply", attempt_id, data, error]:
                self._replied(attempt_id, data, error)
            case ["refused", attempt_id, is_busy]:
                self._refused(attempt_id, is_busy=is_busy)
            case ["cancel", attempt_id]:
                if (call := self._taken.get((hub_id, attempt_id))) is not None:
                    self._calls.abandon(call)
            case ["probe", attempt_ids]:
                unknown = [each for each in attempt_ids if (hub_id, each) not in self._taken]
                self._lines.put(address, ["here", unknown], _ITEM_BYTES)
            case ["here", unknown]:
                for attempt_id in unknown:
                    if (call := self._find(attempt_id)) is not None:
                        self._calls.lose(call, "the call, or the reply to it, was lost on the way")
            case _:
                raise ValueError(str(item)[:100])

    def _heard(self, hub_id: str, address: str) -> None:
        self._probing.heard(hub_id)
        self._directory.found_hub(hub_id)
        self._addresses[hub_id] = address
        self._addresses.move_to_end(hub_id)
        if len(self._addresses) > MAX_ADDRESSES:
            self._addresses.popitem(last=False)

    # To other hubs

    def _give_away(self, call: OpenCall, owner: Owner) -> bool:
        request, claim = call.request, owner.claim
        item = ["call", call.attempt_id, claim.session, request.resource, request.op, request.body, call.left_ms]
        return self._lines.put(claim.address, item, len(request.body) + _ITEM_BYTES)

    def _take_back(self, call: OpenCall, owner: Owner) -> None:
        self._lines.put(owner.claim.address, ["cancel", call.attempt_id], _ITEM_BYTES)

    def _ask(self, _hub_id: str, address: str, attempt_ids: list[str]) -> None:
        self._lines.put(address, ["probe", attempt_ids], _ITEM_BYTES)

    def _look(self, away: Sequence[OpenCall], now: float) -> None:
        """Ask hubs about calls that they have had for long, and lose those of hubs that do not answer."""
        waiting: defaultdict[tuple[str, str], list[OpenCall]] = defaultdict(list)
        for call in away:
            if call.owner is not None and now - call.given_at > PROBE_AFTER_S:
                waiting[call.owner.claim.hub, call.owner.claim.address].append(call)
        lost = self._probing.look({hub: [call.attempt_id for call in calls] for hub, calls in waiting.items()})
        for hub_id in lost:
            self._directory.lost_hub(hub_id)
        for call in away:
            if call.owner is not None and call.owner.claim.hub in lost:
                # Should it only have stood still, it finds this behind the call, and does not begin with it.
                self._take_back(call, call.owner)
                self._calls.lose(call, f"the hub of {call.owner.claim.instance} does not answer")

    def _lost(self, items: Sequence[Item]) -> None:
        for item in items:
            if item[0] == "probe":
                self._probing.not_asked()
            elif (call := self._find(item[1])) is not None:
                self._calls.lose(call, "the hub of its owner could not be reached")

    def _find(self, attempt_id: str) -> OpenCall | None:
        """Return a call that is with another hub under this id, and not with the next already."""
        call = self._calls.open.find(attempt_id.partition(".")[0])
        is_away = call is not None and call.owner is not None and call.session is None
        return call if call is not None and is_away and call.attempt_id == attempt_id else None

    # From other hubs

    def _called(
        self,
        hub_id: str,
        address: str,
        attempt_id: str,
        session_id: str,
        resource: str,
        op: str,
        body: str,
        left_ms: int,
    ) -> None:
        request = Request(resource, op, body, None, is_repeatable=False)
        caller = _HubCaller(
            lambda item, size: self._lines.put(self._addresses.get(hub_id, address), item, size),
            lambda: self._taken.pop((hub_id, attempt_id), None),
        )
        try:
            if self._is_draining():
                raise nobody(request)
            session = self._sessions.get(session_id)
            call = self._calls.take(caller, attempt_id, request, left_ms / 1000, session)
        except IPCError as error:
            is_busy = isinstance(error, OverloadedError)
            self._lines.put(address, ["refused", attempt_id, is_busy], _ITEM_BYTES)
            return
        if not call.is_over:
            self._taken[hub_id, attempt_id] = call

    def _refused(self, attempt_id: str, *, is_busy: bool) -> None:
        call = self._find(attempt_id)
        if call is not None:
            resource = call.request.resource
            busy = OverloadedError(f"whoever serves {resource} has as many calls as it takes", retry_after_ms=50)
            self._calls.refused(call, busy if is_busy else nobody(call.request))

    def _replied(self, attempt_id: str, data: str | None, error: bytes | str | None) -> None:
        answer = Answer(data, msgspec.json.decode(error, type=CallError) if error is not None else None)
        call = self._find(attempt_id)
        if call is None:
            self._counters.replies_late += 1
        elif answer.error is not None and answer.error.code == ErrorCode.OWNER_LOST:
            self._calls.lose(call, answer.error.message)
        else:
            self._calls.finish(call, answer)


class _HubCaller:
    """Another hub, which waits for the reply to a call of one of its sessions."""

    def __init__(self, send: Callable[[Item, int], bool], forget: Callable[[], object]) -> None:
        self._send = send
        self._forget = forget

    def replied(self, attempt_id: str, answer: Answer) -> None:
        self._forget()
        error = msgspec.json.encode(answer.error).decode() if answer.error is not None else None
        size = len(answer.data or "") + len(error or "") + _ITEM_BYTES
        if not self._send(["reply", attempt_id, answer.data, error], size):
            logger.warning("a reply was dropped, because too much waits for the hub of its caller")
