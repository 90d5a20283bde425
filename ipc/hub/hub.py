"""The hub: the part of a process that has sessions and is joined to the mesh through Redis."""

import asyncio
import logging
from collections import Counter
from typing import Any

from ipc.hub import requests, subscriptions
from ipc.hub.announcer import Announcer
from ipc.hub.calling import Calling
from ipc.hub.catalogue import Catalogue
from ipc.hub.chores import Chores
from ipc.hub.clock import Clock, SystemClock
from ipc.hub.counters import Counters
from ipc.hub.deliveries import Deliveries
from ipc.hub.disconnects import DISCONNECT, Disconnects
from ipc.hub.discovery import Discovery
from ipc.hub.draining import drain
from ipc.hub.drift import LOOK_S, DriftWatch
from ipc.hub.emitting import emit_operation
from ipc.hub.explaining import Explainer
from ipc.hub.feed import LogFeed
from ipc.hub.figures import MeshFigures
from ipc.hub.ledger import DeliveryLedger
from ipc.hub.limiter import Limiter
from ipc.hub.logs import HubLogs
from ipc.hub.loop_time import LoopTime
from ipc.hub.meter import Meter
from ipc.hub.operations import WRITE_S, Operations
from ipc.hub.presence import Presence
from ipc.hub.proofs import REVOKED, Proofs
from ipc.hub.pushes import GREETING_S, ChannelLayer, Pushes
from ipc.hub.sampler import SAMPLE_S, Sampler
from ipc.hub.session import Identity, Origin, Peer, Session
from ipc.hub.shares import SHARE_S, HubShare
from ipc.hub.statistics import HubStatistics
from ipc.hub.stores import Stores
from ipc.hub.tasks import OwnedTasks
from ipc.protocol.discovery import Services
from ipc.protocol.errors import IPCError, OverloadedError
from ipc.protocol.ids import new_ulid
from ipc.protocol.limits import Limits
from ipc.protocol.routing import BROADCAST
from ipc.stores.connection import COMMAND_TIMEOUT_S
from ipc.stores.rate_limit import RateLimitStore
from ipc.stores.registry import HEARTBEAT_S
from ipc.stores.tokens import BrokerTokenManager

logger = logging.getLogger(__name__)

RECONCILE_S = 1.0
TRIM_S = 60.0
KEEP_S = 3_600.0


class Hub:
    """One process in the mesh.

    Args:
        stores: hold the logs, the groups and the registry.
        channel_layer: carries pushes between hubs; what it loses is found in the logs.
        limits: the sizes that every session is held to.
        clock: the time that groups go by.
        announces: whether the hub tells the mesh which services come and go.
        tokens: knows broker tokens, where a door of this hub takes them.
        rate_limits: keeps how many messages services may send, where they are limited.

    """

    def __init__(
        self,
        *,
        stores: Stores,
        channel_layer: ChannelLayer,
        limits: Limits | None = None,
        clock: Clock | None = None,
        announces: bool = True,
        tokens: BrokerTokenManager | None = None,
        rate_limits: RateLimitStore | None = None,
    ) -> None:
        self.id = new_ulid()
        self.limits = limits or Limits()
        self.counters = Counters()
        self.clock = clock or SystemClock()
        self.loop_time = LoopTime()
        self.eventlog = stores.eventlog
        self.registry = stores.registry
        self.deliveries = Deliveries(self, stores.groups, stores.dead_letters, stores.ledger)
        self.ledger = DeliveryLedger(stores.ledger, self.loop_time)
        self._announcer = Announcer(
            self.registry, lambda emission: self.logs.writer(BROADCAST).put(emission), is_silent=not announces
        )
        self.explainer = Explainer(self.registry, stores.group_states, stores.ledger, limits=self.limits)
        self.sessions: dict[str, Session] = {}
        self._attached = Counter[str]()
        self.is_draining = False
        feeds: dict[str, LogFeed] = {}
        self._tasks = OwnedTasks(f"hub {self.id}")
        self.limiter = (
            Limiter(rate_limits, self.id, self.sessions, limits=self.limits, counters=self.counters, clock=self.clock)
            if rate_limits is not None
            else None
        )
        self.calling = Calling(
            self.id,
            stores.resources,
            self.sessions,
            limits=self.limits,
            is_draining=lambda: self.is_draining,
            counters=self.counters,
        )
        self._presence = Presence(
            self.id,
            self.registry,
            self.counters,
            announcer=self._announcer,
            clock=self.clock,
            hears=lambda session: subscriptions.hearings(session, self.deliveries.groups_of(session)),
            serves=self.calling.serving.resources_of,
        )
        self._discovery = Discovery(self.registry, stores.shares, stores.declarations)
        self.drift = DriftWatch(stores.declarations, self.counters)
        self.catalogue = Catalogue(self.services, stores.declarations)
        self.operations = Operations(
            stores.operations,
            tell_all=lambda: self.proofs.tell(),  # noqa: PLW0108 - they are made next
            emit=lambda info: emit_operation(self, info),
        )
        self._share = HubShare(self.id, stores.shares, self.calling, self.limits)
        self.statistics = HubStatistics(
            self.id,
            stores.statistics,
            counters=self.counters,
            endpoints=self.calling.calls.endpoints,
            sessions=self.sessions,
            lag_ms=lambda: max((feed.lag_ms for feed in feeds.values()), default=0),
            clock=self.clock,
        )
        self.figures = MeshFigures(stores.statistics, self.clock)
        self._sampler = Sampler(
            self.id, stores.statistics, stores.group_states, counters=self.counters, clock=self.clock
        )
        self.proofs = Proofs(
            tokens,
            self.sessions,
            self.counters,
            subscribed=lambda session: subscriptions.patterns_of(session, self.deliveries.groups_of(session)),
            served=self.calling.serving.resources_of,
            tell_all=lambda message: self._pushes.tell_all(message),  # noqa: PLW0108 - they are made next
        )
        self.disconnects = Disconnects(
            self.sessions,
            self.counters,
            tell_all=lambda message: self._pushes.tell_all(message),  # noqa: PLW0108 - they are made next
        )
        others = {**self.calling.takers, REVOKED: self._heard_of_revocation, DISCONNECT: self.disconnects.heard}
        self._pushes = Pushes(self.id, channel_layer, feeds, self.counters, others=others)
        self.calling.use(self._pushes)
        self.logs = HubLogs(
            feeds,
            self.eventlog,
            self._pushes,
            counters=self.counters,
            loop_time=self.loop_time,
            tasks=self._tasks,
        )

    async def start(self) -> None:
        """Begin to listen and to keep the registry; Redis may still be out of reach."""
        joined = asyncio.Event()
        chores = Chores(self._tasks, self.counters)
        chores.keep_up("listen", lambda: self._pushes.listen(joined))
        chores.every(GREETING_S, "greet", self._pushes.greet_all)
        chores.every(RECONCILE_S, "reconcile", self.logs.reconcile)
        chores.every(RECONCILE_S, "own logs of groups", self.deliveries.look_into_own_logs)
        chores.every(HEARTBEAT_S, "registry", self._renew_presence)
        chores.every(self.limits.heartbeat_ms / 1000, "heartbeat", self._ping)
        chores.every(TRIM_S, "trim", self.logs.trim)
        chores.every(HEARTBEAT_S, "claims", self.calling.serving.renew)
        chores.every(SHARE_S, "share", self._look_round)
        chores.every(SAMPLE_S, "sample", self._sampler.look)
        chores.keep_up("statistics", self.statistics.watch)
        chores.keep_up("services that leave", self._presence.watch)
        chores.keep_up("open calls", self.calling.calls.watch)
        chores.keep_up("tokens that end", self.proofs.watch)
        chores.keep_up("operations that are cancelled", self.operations.watch)
        chores.every(WRITE_S, "operations", self.operations.write)
        chores.every(LOOK_S, "drift", self.drift.look)
        chores.every(KEEP_S, "declarations", self.drift.keep)
        if self.limiter is not None:
            chores.keep_up("rate limits", self.limiter.watch)
        await joined.wait()

    async def stop(self) -> None:
        """Finish what was accepted, send the sessions away to come back elsewhere, and leave the mesh."""
        # While the sessions are here whose operations they are.
        await self.operations.write()
        await self.drain()
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                await self._presence.flushed()
                await self.drift.look()
                await self.logs.flushed()
                await self.deliveries.stop()
                await self._share.remove()
                await self.statistics.close()
                if self.limiter is not None:
                    await self.limiter.close()
        except IPCError as error:
            logger.warning("what this hub has said of itself runs out by itself: %s", error)
        except TimeoutError:
            logger.warning("not all events could be appended before the stop; their emitters were not told ok")
        await self.calling.close()
        await self._tasks.close()
        await self._presence.close()
        await self._announcer.close()
        await self.logs.close()

    async def drain(self) -> None:
        """Let nobody in any more, and send all sessions away."""
        self.is_draining = True
        await drain(self)

    # Sessions

    def attach(self, peer: Peer, identity: Identity, origin: Origin) -> Session:
        """Let an instance in and welcome it; its door has verified the identity.

        Raises:
            OverloadedError: its service has as many sessions here as it may.

        """
        most = self.limits.sessions_per_service
        if self._attached[identity.service] >= most:
            raise OverloadedError(f"{identity.service} has {most} sessions here, as many as it may (IPC_MAX_SESSIONS)")
        self._attached[identity.service] += 1
        session = Session(peer, identity, origin, self.limits, on_close=self._forget, measure=self.meter)
        self.sessions[session.id] = session
        session.welcome()
        self._presence.changed(session)
        return session

    def meter(self, identity: Identity) -> Meter | None:
        """Return what measures the messages of an identity, None where they are not limited."""
        return self.limiter.meter(identity) if self.limiter is not None else None

    def token_meter(self, service: str) -> Meter | None:
        """Return what measures the tokens that a service gets for its certificate, None where they are not limited."""
        return self.limiter.token_meter(service) if self.limiter is not None else None

    async def receive(self, session: Session, frame: str | bytes) -> None:
        """Carry out a frame of a session; returns when the session may send more."""
        await requests.receive(self, session, frame)

    async def carry_out(self, session: Session, messages: requests.Messages) -> None:
        """Carry out what a session has sent together with its proof, which its door has taken apart."""
        await requests.carry_out(self, session, messages)

    async def detach(self, session: Session) -> None:
        """Forget a session whose connection is gone."""
        self._forget(session)
        await session.ended()

    def _forget(self, session: Session) -> None:
        subscriptions.leave_feeds(session, self.logs.feeds.values())
        self.deliveries.leave(session)
        self.calling.leave(session)
        self.operations.leave(session)
        if self.sessions.pop(session.id, None) is not None:
            self._attached[session.service] -= 1
            self._presence.changed(session)
            if not self._attached[session.service]:
                self.drift.left(session.service)

    # What runs beside

    async def services(self, only: str | None = None) -> Services:
        """Return all services, or one, as `Discovery.services` does, with what this hub knows up to now.

        Raises:
            UnknownServiceError: there is no such service.
            UnavailableError: Redis is out of reach.

        """
        await self._presence.flushed()
        await self._share.write()
        await self.drift.look()
        return await self._discovery.services(only)

    def described_anew(self, session: Session) -> None:
        """Write down what a session hears, serves or emits now."""
        self._presence.changed(session)

    async def _heard_of_revocation(self, message: dict[str, Any]) -> None:
        await self.proofs.heard(message)
        await self.operations.heard()

    async def described(self) -> None:
        """Wait until it is written down what the sessions of this hub are."""
        await self._presence.flushed()

    async def _look_round(self) -> None:
        """Write the share of this hub, register anew after Redis has lost its data, and look who has gone."""
        try:
            was_lost = await self._share.write()
        except IPCError as error:
            self._presence.lost_touch()
            logger.warning("the share of this hub is not up to date: %s", error)
            return
        if was_lost:
            logger.warning("Redis has lost what it knew of this hub, which registers anew")
            await self._renew_presence()
            await self.calling.serving.renew()
            await self.described()
        await self._presence.sweep()

    async def _renew_presence(self) -> None:
        for session in self.sessions.values():
            self._presence.changed(session)

    async def _ping(self) -> None:
        for session in list(self.sessions.values()):
            session.ping(subscriptions.positions_sent(session, self.logs.feeds))
