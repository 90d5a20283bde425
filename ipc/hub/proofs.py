"""The tokens that the sessions of a hub came with: a session ends when its token does, and not much later.

Hubs tell each other of revocations, and look for them in Redis by themselves: a lost message costs less than a second.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from ipc.hub.chores import told_or_later
from ipc.hub.counters import Counters
from ipc.hub.refusals import Refusals
from ipc.hub.session import Identity, Session
from ipc.protocol.codes import CloseCode, ErrorCode
from ipc.protocol.errors import BadMessageError, ForbiddenError, IPCError, NotBuiltError, TokenError
from ipc.protocol.messages import Notice, State
from ipc.protocol.permissions import Verb, is_allowed
from ipc.protocol.tokens import Claims
from ipc.stores.tokens import BrokerTokenManager
from ipc.tracing.steps import attending

logger = logging.getLogger(__name__)

LOOK_S: Final = 0.8
NOTICE_S: Final = 60.0
KEEP_S: Final = 60.0
REVOKED: Final = "ipc.revoked"
BRIDGE: Final = "exprsn-bridge"

Patterns = Callable[[Session], Iterable[str]]


class Proofs:
    """The proofs of one hub's sessions, and what these were refused.

    Args:
        manager: knows tokens; None where no door takes any, as in a process that has joined the mesh itself.
        sessions: of this hub, by id.
        subscribed: tells which patterns a session hears.
        served: tells which resources it serves.
        tell_all: sends a message to all hubs.

    """

    def __init__(
        self,
        manager: BrokerTokenManager | None,
        sessions: Mapping[str, Session],
        counters: Counters,
        *,
        subscribed: Patterns,
        served: Patterns,
        tell_all: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        self._manager = manager
        self.refusals = Refusals(manager, counters)
        self._sessions = sessions
        self._counters = counters
        self._subscribed = subscribed
        self._served = served
        self._tell_all = tell_all
        self._told = asyncio.Event()
        self._noticed: dict[str, str] = {}
        self._keep_at = 0.0

    @property
    def manager(self) -> BrokerTokenManager:
        """What knows tokens.

        Raises:
            NotBuiltError: this hub takes none.

        """
        if self._manager is None:
            raise NotBuiltError("this hub takes no tokens: it has no keys")
        return self._manager

    async def identify(self, token: str, *, service: str | None, by: str) -> Identity:
        """Return who the bearer of a token is.

        Args:
            service: the full name of the service that the bearer wants to be, where that is known.
            by: where the bearer came from, for the audit trail.

        Raises:
            TokenError: the token does not prove it.
            UnavailableError: Redis is out of reach, so nobody can tell whether it was revoked.
            NotBuiltError: this hub takes no tokens.

        """
        try:
            return await self._verified(token, service=service, by=by)
        except TokenError as error:
            self._counters.named.refuse_stranger(service, error.code)
            raise

    async def _verified(self, token: str, *, service: str | None, by: str) -> Identity:
        try:
            claims = await self.manager.verify(token, source=service, accepted_targets=[BRIDGE], by=by)
        except TokenError as error:
            self._counters.tokens_refused += 1
            logger.info("a token of %s was refused: %s", by, error)
            raise
        return Identity(service=claims.source, permissions=frozenset(claims.permissions), claims=claims)

    async def renew(self, session: Session, token: str) -> None:
        """Let a session go on with another token of its service, and with the permissions of that one.

        Raises:
            TokenError: the token does not prove it; the session goes on with the one it has.
            ForbiddenError: the session hears or serves what the new token does not permit.
            UnavailableError: Redis is out of reach.

        """
        identity = await self._verified(token, service=session.service, by=session.instance)
        wanted: list[tuple[Verb, str]] = [("subscribe", pattern) for pattern in self._subscribed(session)]
        wanted += [("serve", resource) for resource in self._served(session)]
        for verb, name in wanted:
            if not is_allowed(identity.permissions, verb, name):
                raise ForbiddenError(
                    f"the new token lacks {verb}:{name}, of which this session makes use: let go of it first",
                    details={"needed": f"{verb}:{name}"},
                )
        session.prove(identity)
        self._counters.tokens_renewed += 1

    async def revoke(self, token_id: str, *, by: str) -> bool:
        """Revoke a token, tell all hubs, and tell whether anything was known of it.

        Raises:
            BadMessageError: this is no id of a token.
            UnavailableError: Redis is out of reach.

        """
        was_known = await self.manager.revoke(token_id, by=by)
        await self.tell()
        return was_known

    async def revoke_source(self, source: str, *, by: str, before_s: float | None = None) -> float:
        """Revoke all tokens of a service that were issued by a time, tell all hubs, and return that time.

        Raises:
            UnknownServiceError: there is no such service.
            UnavailableError: Redis is out of reach.

        """
        until_s = await self.manager.revoke_source(source, by=by, before_s=before_s)
        await self.tell()
        return until_s

    async def state(self, session: Session, message: State) -> Any:
        """Read, write or delete the state of a stateful token of the session's service; return what it is then.

        Raises:
            TokenError: the token does not hold, or is another service's.
            ConflictError: the state is not what the message expects.
            BadMessageError: the token is not stateful, or the state is too large.
            UnavailableError: Redis is out of reach.

        """
        claims = await self.manager.verify(message.token, source=session.service, by=session.instance)
        if message.op == "get":
            value = await self.manager.states.get(claims)
            return None if value is None else msgspec.json.decode(value)
        if message.op == "delete":
            await self.manager.states.delete(claims)
            return None
        if message.value is msgspec.UNSET:
            raise BadMessageError("set needs a value")
        new = msgspec.json.encode(message.value)
        if message.expected is msgspec.UNSET:
            await self.manager.states.set(claims, new)
        else:
            expected = None if message.expected is None else msgspec.json.encode(message.expected)
            await self.manager.states.replace(claims, expected, new)
        return message.value

    # Ends

    async def heard(self, _message: dict[str, Any]) -> None:
        """Take note that something was revoked somewhere; what it was is in Redis."""
        self._told.set()

    async def watch(self) -> None:
        """Close the sessions whose tokens end, until cancelled."""
        if self._manager is None:
            return
        while True:
            await told_or_later(self._told, LOOK_S)
            await self.look()
            await self.refusals.write()

    async def look(self) -> None:
        """Close the sessions whose tokens have ended, and warn those whose tokens are about to."""
        proved = {session: session.identity.claims for session in self._sessions.values()}
        tokens = {session: claims for session, claims in proved.items() if claims is not None}
        if not tokens:
            return
        now_s = time.time()
        for session, claims in tokens.items():
            self._look_at_clock(session, claims, now_s)
        try:
            problems = await self.manager.problems(list(tokens.values()))
            await self._keep(tokens.values())
        except IPCError as error:
            self._counters.revocation_looks_failed += 1
            logger.warning("cannot look for revoked tokens: %s", error)
            return
        for (session, claims), problem in zip(tokens.items(), problems, strict=True):
            # Renewed meanwhile, it has another token.
            if problem is not None and session.identity.claims is claims:
                self._end(session, problem)

    def _look_at_clock(self, session: Session, claims: Claims, now_s: float) -> None:
        left_s = claims.remaining_s(now_s)
        # Of a short one at least two looks before its end, so that none is missed.
        notice_s = min(NOTICE_S, max((claims.exp - claims.iat) / 5, 2 * LOOK_S))
        if left_s <= 0:
            # Known without Redis.
            self._end(session, TokenError("the token has expired", code=ErrorCode.TOKEN_EXPIRED))
        elif left_s <= notice_s and self._noticed.get(session.id) != claims.id:
            self._noticed[session.id] = claims.id
            session.answer(Notice(notice="token_expiring", expires_in_ms=int(left_s * 1000)))

    async def _keep(self, tokens: Iterable[Claims]) -> None:
        """An open session is a use of its stateful token."""
        if time.monotonic() < self._keep_at:
            return
        self._keep_at = time.monotonic() + KEEP_S
        self._noticed = {session: token for session, token in self._noticed.items() if session in self._sessions}
        await self.manager.used(tokens)

    def _end(self, session: Session, problem: TokenError) -> None:
        if session.is_closed:
            return
        if problem.code is ErrorCode.TOKEN_REVOKED:
            self._counters.sessions_revoked += 1
            session.answer(Notice(notice="revoked"))
        else:
            self._counters.sessions_expired += 1
        with attending(session.id):
            logger.info("%s is closed: %s", session.instance, problem)
        session.refuse(problem)
        code = CloseCode.REVOKED if problem.code is ErrorCode.TOKEN_REVOKED else CloseCode.UNAUTHENTICATED
        session.close(code, str(problem))

    async def tell(self) -> None:
        """Tell all hubs that something was revoked."""
        self._told.set()
        try:
            await self._tell_all({"type": REVOKED})
        except IPCError as error:
            logger.warning("other hubs find out by themselves what was revoked: %s", error)
