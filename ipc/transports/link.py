"""A session that is kept up: it connects again, subscribes from where it was, and repeats what was not answered."""

import asyncio
import logging
import re
import time
from collections.abc import Mapping, Sequence

from msgspec import Raw, UnsetType

from ipc.hub.tasks import OwnedTasks
from ipc.protocol.codes import CloseCode
from ipc.protocol.declarations import Declaration, in_frames
from ipc.protocol.errors import ConnectionClosedError, IPCError
from ipc.protocol.ids import new_ulid
from ipc.protocol.messages import (
    Ack,
    Call,
    ClientMessage,
    Declare,
    Nack,
    Ok,
    Progress,
    Reply,
    Resource,
    Serve,
    Subscription,
    Unsubscribe,
)
from ipc.transports.base import Transport
from ipc.transports.group_subscription import GroupSubscription
from ipc.transports.incoming import Incoming
from ipc.transports.listener import Listener
from ipc.transports.live import LiveSubscription
from ipc.transports.sender import ANSWER_TIMEOUT_S, Sender, backoff_s

logger = logging.getLogger(__name__)

STEADY_S = 5.0
_DELAY = re.compile(r"reconnect in (\d{1,6}) ms")


class Link:
    """One session over a transport, for as long as it is wanted.

    Args:
        transport: carries the frames.
        patterns: what to subscribe to after each connection.
        listener: hears of events and failures.
        groups: what to be a member of, likewise.
        resources: what to serve, likewise.
        since: the positions to begin after, for a subscription that goes on from an earlier run.
        filtered: what to subscribe to besides, with conditions and shapes.
        declarations: what to say of the events of the service after each connection.

    """

    def __init__(
        self,
        transport: Transport,
        patterns: Sequence[str],
        listener: Listener,
        groups: Sequence[GroupSubscription] = (),
        resources: Sequence[Resource] = (),
        since: Mapping[str, str] | None = None,
        filtered: Sequence[Subscription] = (),
        declarations: Sequence[Declaration] = (),
    ) -> None:
        self._transport = transport
        self._live = LiveSubscription(patterns, since, filtered)
        self._groups = groups
        self._resources = list(resources)
        self._declarations = list(declarations)
        self._listener = listener
        self._sender = Sender(transport)
        self._last_failure = ""
        self._incoming = Incoming(transport, self._live, self._sender, listener)
        self._tasks = OwnedTasks("link")

    @property
    def positions(self) -> dict[str, str]:
        """The position of the last event that was taken, or passed over as not wanted, of each log."""
        return self._live.positions

    @property
    def is_up(self) -> bool:
        """Whether the session is open and subscribed."""
        return self._sender.is_up

    async def wait_until_up(self) -> None:
        """Wait until the session is open and subscribed."""
        await self._sender.wait_until_up()

    async def run(self) -> None:
        """Keep the session up until cancelled.

        Raises:
            IPCError: the bridge refused it for good, so connecting again would be refused too.

        """
        attempt = 0
        while True:
            self._incoming.asked_delay_ms = None
            began = time.monotonic()
            try:
                await self._session()
            except ConnectionClosedError as error:
                # A bridge that lets everybody in and closes at once is no reason to hurry either.
                was_steady = self.is_up and time.monotonic() - began > STEADY_S
                attempt = 0 if was_steady else attempt + 1
                self._down(error, is_final=not error.may_reconnect)
                if not error.may_reconnect:
                    raise error.for_good() from error
                if delay := _DELAY.search(error.reason):
                    self._incoming.asked_delay_ms = int(delay[1])
            except IPCError as error:
                self._down(error, is_final=True)
                raise
            await self._transport.close()
            asked_ms = self._incoming.asked_delay_ms
            await asyncio.sleep(backoff_s(attempt) if asked_ms is None else asked_ms / 1000)

    async def close(self) -> None:
        """Send what waits, and leave."""
        await self._sender.close()
        await self._tasks.close()
        await self._transport.aclose()

    async def request(self, message: ClientMessage, *, timeout_s: float = ANSWER_TIMEOUT_S) -> Ok:
        """Send a message and return its ``ok``, as `Sender.request` does.

        Raises:
            DeadlineError: no answer in time, it may have been carried out.
            IPCError: it was refused.

        """
        return await self._sender.request(message, timeout_s=timeout_s)

    async def call(self, message: Call, *, timeout_s: float) -> Raw | UnsetType:
        """Make a call and return the data of its reply, as `OutgoingCalls.call` does.

        Raises:
            IPCError: what the owner or the hub said, or there was no reply.

        """
        return await self._sender.call(message, timeout_s=timeout_s)

    def reply(self, reply: Reply, session: str) -> None:
        """Reply to a call, if the session that it came by is still open; the caller has been told if it is not."""
        self._sender.put(reply, session)

    async def pause(self) -> None:
        """Ask for no more events; those that still come are dropped, `resume` brings them again from the log.

        Raises:
            IPCError: the request failed; the connection is about to be made anew, paused.

        """
        unsubscribe = self._live.pause()
        if unsubscribe is not None and self._sender.is_open:
            # Also while the subscription is on its way: what it brings would run ahead of what is dropped now.
            await self._sender.ask(unsubscribe)

    async def resume(self) -> None:
        """Ask for events again, from the last one that was taken.

        Raises:
            IPCError: the request failed; the connection is about to be made anew, subscribed.

        """
        self._live.resume()
        if self._sender.is_open:
            await self._subscribe()

    async def retire(self) -> None:
        """Ask for no more events, of groups neither, and no calls; what has come may still be answered.

        Raises:
            IPCError: the request failed.

        """
        await self.pause()
        groups, self._groups = self._groups, ()
        for group in groups:
            if self._sender.is_open:
                await self._sender.ask(Unsubscribe(id=new_ulid(), events=[], group=group.group))
        if self._resources and self._sender.is_open:
            self._resources = []
            await self._sender.ask(Serve(id=new_ulid(), resources=[]))

    async def forget(self, group: str, *, timeout_s: float) -> None:
        """Delete a group, and do not join it again.

        Raises:
            DeadlineError: no answer in time, it may have been deleted.
            IPCError: it was refused; what was a member is one still.

        """
        session = self._sender.session
        forgotten = [subscription for subscription in self._groups if subscription.group == group]
        # Before it is asked for: a connection that is made meanwhile would make the group anew.
        self._groups = [subscription for subscription in self._groups if subscription.group != group]
        try:
            await self.request(Unsubscribe(id=new_ulid(), events=[], group=group, forget=True), timeout_s=timeout_s)
        except IPCError as error:
            if forgotten and not error.retryable:
                self._groups = [*self._groups, *forgotten]
                if self._sender.session != session:
                    # The connection that was made meanwhile has not joined it.
                    self.restart()
            raise

    def settle(self, answer: Ack | Nack | Progress, session: str) -> None:
        """Answer a delivery, if the session that it came by is still open; a new one would not know it."""
        self._sender.put(answer, session)

    def restart(self) -> None:
        """Drop the connection and make a new one, for when nobody knows what the hub thinks of this session."""
        self._live.resume_anew()
        self._tasks.start(self._transport.close(), "restart")

    async def _session(self) -> None:
        await self._transport.connect()
        welcome = await self._incoming.welcome()
        self._live.connected()
        self._sender.opened(welcome.session)
        reading = asyncio.create_task(self._incoming.read(), name="link reader")
        subscribing = asyncio.create_task(self._join(welcome.limits), name="link subscribe")
        try:
            await asyncio.wait([reading, subscribing], return_when=asyncio.FIRST_COMPLETED)
            if subscribing.done():
                _raise_failed(subscribing)
                self._sender.up()
                self._listener.connected(welcome)
            await reading
        finally:
            self._sender.closed()
            self._listener.disconnected(welcome.session)
            self._live.disconnected()
            reading.cancel()
            subscribing.cancel()
            await asyncio.wait([reading, subscribing])

    async def _join(self, limits: Mapping[str, int]) -> None:
        await self._subscribe()
        for group in self._groups:
            if missed := group.missed(await self._sender.ask(group.as_message())):
                self._listener.not_recovered(missed)
        if self._resources:
            await self._sender.ask(Serve(id=new_ulid(), resources=self._resources))
        if self._declarations:
            await self._declare(limits)

    async def _declare(self, limits: Mapping[str, int]) -> None:
        """Say what events are; a hub that does not take it, or is too old to know it, is no reason to stay away."""
        for events in in_frames(self._declarations, limits["frame_bytes"]):
            try:
                await self._sender.ask(Declare(id=new_ulid(), events=events))
            except IPCError as error:
                if error.retryable:
                    raise
                self._listener.failed(error)

    async def _subscribe(self) -> None:
        subscribe = self._live.subscription()
        if subscribe is not None:
            await self._sender.ask(subscribe)

    def _down(self, error: IPCError, *, is_final: bool) -> None:
        if self._sender.is_up:
            self._listener.failed(error)
        elif not is_final:
            # Who runs this hears of what is final. Once for each reason, not once for each try.
            logger.log(
                logging.DEBUG if str(error) == self._last_failure else logging.WARNING, "not connected: %s", error
            )
        self._last_failure = str(error)
        self._sender.down(error)


def _raise_failed(subscribing: "asyncio.Task[None]") -> None:
    """Raise what a subscription failed with: what may be tried again counts as a lost connection."""
    error = subscribing.exception()
    if isinstance(error, IPCError) and error.retryable and not isinstance(error, ConnectionClosedError):
        delay = f", reconnect in {error.retry_after_ms} ms" if error.retry_after_ms is not None else ""
        raise ConnectionClosedError(CloseCode.INTERNAL, f"{error}{delay}") from error
    if error is not None:
        raise error
