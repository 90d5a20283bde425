"""From a call to the instance that gets it, and on to another one if that does not take it."""

import time
from collections.abc import Callable, Mapping
from typing import Final

from ipc.hub.choice import BusyMs, choose
from ipc.hub.open_call import Answer, OpenCall
from ipc.hub.owners import Directory, Owner, Owners
from ipc.hub.session import Session
from ipc.hub.tasks import OwnedTasks
from ipc.protocol.errors import IPCError, NoOwnerError, OverloadedError, OwnerLostError

MAX_TRIES: Final = 3

GiveAway = Callable[[OpenCall, Owner], bool]
"""Sends a call to the hub of its owner; False when too much waits for that hub."""


class CallRouting:
    """Finds the owners of one hub's calls.

    Args:
        hub_id: tells owners of this hub from those of others.
        directory: who serves what.
        sessions: of this hub, by id.
        give: gives a call to a session of this hub, or raises if that does not take it.
        finish: ends a call that nobody takes.
        busy_ms: tells how long an operation takes.

    """

    def __init__(
        self,
        hub_id: str,
        directory: Directory,
        sessions: Mapping[str, Session],
        *,
        give: Callable[[OpenCall, Session | None], None],
        finish: Callable[[OpenCall, Answer], None],
        busy_ms: BusyMs,
    ) -> None:
        self.give_away: GiveAway = lambda _call, _owner: False
        self._hub_id = hub_id
        self._directory = directory
        self._sessions = sessions
        self._give = give
        self._finish = finish
        self._busy_ms = busy_ms
        self._tasks = OwnedTasks(f"routing of hub {hub_id}")

    def route(self, call: OpenCall) -> None:
        """Give a call to an owner; at once, if the owners of the resource are known."""
        owners = self._directory.known(call.request.resource)
        if owners is None:
            self._tasks.start(self._look_up(call), f"owners of {call.request.resource}")
        else:
            self._route_to(owners, call)

    def route_again(self, call: OpenCall, failure: IPCError) -> None:
        """Give a call to another owner than those that it had; the failure is its answer if there is none."""
        # That it may have been carried out stays true whatever becomes of it afterwards.
        call.refusal = call.refusal if isinstance(call.refusal, OwnerLostError) else failure
        if len(call.tried) < MAX_TRIES:
            self.route(call)
        else:
            self._finish(call, Answer.of(call.refusal))

    def refused(self, call: OpenCall, refusal: IPCError) -> None:
        """Give a call that was not taken to another owner; nobody has begun with it."""
        owner, call.owner = call.owner, None
        if owner is not None:
            owner.refused()
        if not isinstance(refusal, OverloadedError):
            self._directory.changed([call.request.resource])
        self.route_again(call, refusal)

    async def close(self) -> None:
        """Stop looking for owners."""
        await self._tasks.close()

    async def _look_up(self, call: OpenCall) -> None:
        try:
            owners = await self._directory.look_up(call.request.resource)
        except IPCError as error:
            self._give_up(call, error)
            return
        if not call.is_over:
            self._route_to(owners, call)

    def _route_to(self, owners: Owners, call: OpenCall) -> None:
        try:
            owner = choose(owners, call.request, call.tried, hub_id=self._hub_id, busy_ms=self._busy_ms)
        except IPCError as error:
            self._give_up(call, error)
            return
        owner.given()
        call.owner = owner
        call.tried.add(owner.claim.instance)
        if owner.claim.hub == self._hub_id:
            self._give_here(call, owner)
            return
        call.given_at = time.monotonic()
        if not self.give_away(call, owner):
            self.refused(call, OverloadedError("too much waits for the hub of the owner", retry_after_ms=250))

    def _give_here(self, call: OpenCall, owner: Owner) -> None:
        try:
            self._give(call, self._sessions.get(owner.claim.session))
        except IPCError as refusal:
            self.refused(call, refusal)

    def _give_up(self, call: OpenCall, error: IPCError) -> None:
        """End a call for which there is no owner, or no other one."""
        had_owner = isinstance(call.refusal, OwnerLostError) or isinstance(error, NoOwnerError)
        self._finish(call, Answer.of((call.refusal if had_owner else None) or error))
