"""Calls at one hub: each goes to an instance that serves its resource, here or elsewhere, and its reply comes back.

A call has one place where it is open, or two: the hub of the caller, and the hub of the owner if that is another one.
Each of them watches over its own half, so a call ends in time whatever becomes of the other.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final

from ipc.hub.answering import Answering, LimitOf, answer_of, refused_reply
from ipc.hub.call_routing import CallRouting, GiveAway
from ipc.hub.counters import Counters
from ipc.hub.endpoints import Endpoints
from ipc.hub.open_call import Answer, Caller, OpenCall, Request, SessionCaller
from ipc.hub.open_calls import OpenCalls
from ipc.hub.owners import Directory, Owner
from ipc.hub.session import Session
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import (
    BadMessageError,
    DeadlineError,
    IPCError,
    OverloadedError,
    OwnerLostError,
    UnavailableError,
)
from ipc.protocol.messages import CallError, Reply

Look = Callable[[list[OpenCall], float], None]

TICK_S: Final = 0.05
MAYBE: Final = "; the call may have been carried out"
JUST_OVER_S: Final = 2 * TICK_S
"""A caller that takes a call back so shortly before its deadline has looked at its own clock: nobody had answered."""


class Calls:
    """The calls that are open at one hub.

    Args:
        hub_id: tells owners of this hub from those of others.
        directory: who serves what.
        sessions: of this hub, by id.
        limit_of: tells what sessions take.

    """

    def __init__(
        self,
        hub_id: str,
        directory: Directory,
        sessions: Mapping[str, Session],
        counters: Counters,
        *,
        limit_of: LimitOf,
    ) -> None:
        self.endpoints = Endpoints()
        self._counters = counters
        self.open = OpenCalls()
        self._callers: dict[Session, SessionCaller] = {}
        self._answering = Answering(limit_of)
        self._routing = CallRouting(
            hub_id, directory, sessions, give=self._answering.give, finish=self.finish, busy_ms=self.endpoints.mean_ms
        )
        self._take_back: Callable[[OpenCall, Owner], None] = lambda _call, _owner: None
        self._look: Look = lambda _calls, _now: None

    def share(
        self,
        *,
        give_away: GiveAway,
        take_back: Callable[[OpenCall, Owner], None],
        look: Look,
    ) -> None:
        """Use these ways to owners at other hubs: to give them a call, to take it back, and to see what they have."""
        self._routing.give_away = give_away
        self._take_back = take_back
        self._look = look

    # What callers do

    def begin_for(self, session: Session, call_id: str, request: Request, seconds: float) -> None:
        """Begin a call of a session, which gets the reply.

        Raises:
            BadMessageError: the session has a call with that id.
            OverloadedError: it has as many calls as it may, or this hub has.

        """
        caller = self._callers.get(session)
        if caller is None:
            caller = self._callers[session] = SessionCaller(session)
        if call_id in caller.calls:
            raise BadMessageError(f"a call with the id {call_id!r} is open already")
        if len(caller.calls) >= session.limits.calls_per_session:
            raise OverloadedError(
                f"a session has at most {session.limits.calls_per_session} calls open", retry_after_ms=100
            )
        call = self.begin(caller, call_id, request, seconds)
        if not call.is_over:
            caller.calls[call_id] = call

    def begin(self, caller: Caller, call_id: str, request: Request, seconds: float) -> OpenCall:
        """Begin a call; the caller hears of its end in any case.

        Raises:
            OverloadedError: too many calls are open at this hub.

        """
        call = self.open.add(caller, call_id, request, seconds)
        self._counters.calls_begun += 1
        self._routing.route(call)
        return call

    def cancel(self, session: Session, call_id: str) -> None:
        """End a call that its session does not wait for any more.

        Raises:
            BadMessageError: UNKNOWN_CALL, it is not open.

        """
        caller = self._callers.get(session)
        call = caller.calls.get(call_id) if caller is not None else None
        if call is None:
            raise BadMessageError(f"there is no open call {call_id!r}", code=ErrorCode.UNKNOWN_CALL)
        self.abandon(call)

    def abandon(self, call: OpenCall) -> None:
        """End a call that nobody waits for any more, and tell its owner."""
        if time.monotonic() > call.deadline - JUST_OVER_S:
            self._run_out(call)
        else:
            self._end(call, IPCError("the caller has taken the call back", code=ErrorCode.CANCELLED))

    # What owners do

    def take(self, caller: Caller, call_id: str, request: Request, seconds: float, session: Session | None) -> OpenCall:
        """Give a call that came from another hub to a session of this one.

        Raises:
            NoOwnerError: the session does not serve the resource.
            OverloadedError: it has as many calls as it takes, or too many are open at this hub.

        """
        call = self.open.add(caller, call_id, request, seconds)
        try:
            self._answering.give(call, session)
        except IPCError:
            self.open.close(call)
            raise
        return call

    def answering(self, session: Session) -> int:
        """Return how many calls a session has to answer."""
        return self._answering.count(session)

    def settle(self, session: Session, reply: Reply) -> None:
        """Take the reply of an owner.

        Raises:
            BadMessageError: UNKNOWN_CALL, the session has no such call to answer, or not any more; or the data is
                wrong, DATA_TOO_LARGE or INVALID_DATA, which the caller is told too.

        """
        call = self._answering.find(session, reply.id or "")
        if call is None:
            self._counters.replies_late += 1
            raise BadMessageError(
                f"there is no call {(reply.id or '')[:64]!r} to reply to: answered already, cancelled or too late",
                code=ErrorCode.UNKNOWN_CALL,
            )
        try:
            answer = answer_of(reply, session)
        except IPCError as error:
            self.finish(call, refused_reply(session, error))
            raise
        self.finish(call, answer)

    def spoil(self, session: Session, call_id: str, error: IPCError) -> None:
        """End a call whose reply is no message at all."""
        if (call := self._answering.find(session, call_id)) is not None:
            self.finish(call, refused_reply(session, error))

    # What becomes of both

    def leave(self, session: Session) -> None:
        """End the calls of a session that is gone, and find others to answer those that it had to."""
        caller = self._callers.pop(session, None)
        for call in list(caller.calls.values()) if caller is not None else ():
            self._counters.calls_shut_out += session.is_shut_out
            self.abandon(call)
        for call in self._answering.leave(session):
            self._counters.calls_shut_out += session.is_shut_out
            self.lose(call, f"{session.instance} {session.farewell} before it had replied")

    def lose(self, call: OpenCall, reason: str) -> None:
        """Give a call whose owner is gone to another if it may be repeated, else end it."""
        if call.is_over:
            return
        # The hub of its owner has said so already.
        lost = OwnerLostError(f"{reason.removesuffix(MAYBE)}{MAYBE}")
        self._part(call, Answer.of(lost).error)
        if call.request.is_repeatable and time.monotonic() < call.deadline:
            self._counters.calls_repeated += 1
            self._routing.route_again(call, lost)
        else:
            self.finish(call, Answer.of(lost))

    def refused(self, call: OpenCall, refusal: IPCError) -> None:
        """Give a call that its owner, or the hub of its owner, has not taken to another: nobody has begun with it."""
        if not call.is_over:
            self._routing.refused(call, refusal)

    def finish(self, call: OpenCall, answer: Answer) -> None:
        """End a call with its answer."""
        if call.is_over:
            return
        self.open.close(call)
        self._count(call, answer.error)
        self._part(call, answer.error)
        call.caller.replied(call.caller_id, answer)

    async def watch(self) -> None:
        """End calls whose time is over, and those whose owner's hub is gone, until cancelled."""
        while True:
            await self.open.some()
            now = time.monotonic()
            opened = self.open.all()
            for call in opened:
                if call.deadline <= now:
                    self._run_out(call)
            self._look([call for call in opened if call.session is None and call.owner is not None], now)
            await asyncio.sleep(TICK_S)

    async def close(self) -> None:
        """End all calls, and stop."""
        await self._routing.close()
        for call in self.open.all():
            if call.owner is None and call.session is None:
                self.finish(call, Answer.of(UnavailableError("the hub has stopped", code=ErrorCode.DRAINING)))
            else:
                self.finish(call, Answer.of(OwnerLostError("the hub has stopped; the call may be carried out")))

    # Inside

    def _run_out(self, call: OpenCall) -> None:
        took_s = time.monotonic() - call.began
        self._end(call, DeadlineError(f"no reply within {took_s:.1f} s; the call may be carried out"))

    def _end(self, call: OpenCall, error: IPCError) -> None:
        """End a call, and tell its owner that nobody waits any more; in this order, since telling may end the owner."""
        session, owner = call.session, call.owner
        if call.is_over:
            return
        self.finish(call, Answer.of(error))
        if session is not None:
            text = f'{{"type":"cancel","id":"{call.id}"}}'
            session.put(text, len(text))
        elif owner is not None:
            self._take_back(call, owner)

    def _count(self, call: OpenCall, error: CallError | None) -> None:
        if error is not None:
            self._counters.calls_failed += 1
        request = call.request
        if request.source:
            owner = call.owner.claim.instance.partition(":")[0] if call.owner is not None else ""
            code = error.code if error is not None else None
            self._counters.named.call_ended(request.source, owner, code, time.monotonic() - call.began)

    def _part(self, call: OpenCall, error: CallError | None) -> None:
        """Take note at the owner of how a call went, and part from it."""
        had_s = time.monotonic() - call.given_at
        owner, call.owner = call.owner, None
        session = self._answering.part(call)
        if session is not None:
            request = call.request
            self.endpoints.record(request.resource, request.op, had_s * 1000, error, service=session.service)
        if owner is not None:
            owner.ended(error.code if error is not None else None, had_s)
