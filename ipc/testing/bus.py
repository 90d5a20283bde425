"""`TestBus`: the mesh in the memory of a test, with a clock that the test moves on."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self

from ipc.dispatch import EventContext
from ipc.hub.hub import Hub
from ipc.protocol.discovery import PRESENCE_EVENTS
from ipc.protocol.errors import UnavailableError
from ipc.protocol.limits import Limits
from ipc.protocol.patterns import compile_pattern
from ipc.protocol.services import full_name
from ipc.stores.dead_letter import DeadLetter
from ipc.testing.activity import Activity, CountedTransport
from ipc.testing.channels import MemoryChannels
from ipc.testing.clock import ManualClock
from ipc.testing.emitted import Emitted, Expected, emitted_from, listed
from ipc.testing.failures import HandlerFailure
from ipc.testing.stores import MemoryStores
from ipc.transports.local import LocalTransport
from ipc.worker import IPCWorker

SETTLE_TIMEOUT_S: Final = 5.0
STOP_TIMEOUT_S: Final = 1.0
# A test may stand in a debugger for longer than a worker may be silent.
NO_HEARTBEAT_MS: Final = 86_400_000

Running = frozenset["asyncio.Task[None]"]


class TestBus:
    """A mesh for the length of an ``async with`` block: workers as they are written for production join it.

    Time stands still for groups and for the memory of ids: a retry comes when `advance` has gone over its pause.

    Args:
        settle_timeout_s: seconds of real time that handlers may take before `settled` fails.

    """

    __test__ = False

    def __init__(self, *, settle_timeout_s: float = SETTLE_TIMEOUT_S) -> None:
        self.failures: list[HandlerFailure] = []
        self.clock = ManualClock()
        self._stores = MemoryStores(self.clock.now_ms)
        self._settle_timeout_s = settle_timeout_s
        self._activity = Activity()
        self._settled_at = 0
        self._hub: Hub | None = None
        self._workers: dict[IPCWorker, Callable[[Exception, EventContext], None]] = {}
        self._emitters: dict[str, IPCWorker] = {}

    async def __aenter__(self) -> Self:
        self._hub = Hub(
            stores=self._stores.all,
            channel_layer=MemoryChannels(),
            limits=Limits(heartbeat_ms=NO_HEARTBEAT_MS),
            clock=self.clock,
        )
        await self._hub.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for worker in list(self._workers):
            await self.stop(worker)
        for emitter in self._emitters.values():
            await emitter.stop(timeout_s=STOP_TIMEOUT_S)
        self._emitters.clear()
        hub, self._hub = self._hub, None
        if hub is not None:
            await hub.stop()

    # Workers

    async def start(self, *workers: IPCWorker) -> None:
        """Let workers join, and wait until they are subscribed.

        Raises:
            UnavailableError: the bus is not running.
            RuntimeError: a worker is running already.

        """
        for worker in workers:
            await worker.start(self._transport(worker.service, worker.version))
            self._workers[worker] = worker.hook("handler_error")(self._taking_note_of(worker.service))
        for worker in workers:
            async with asyncio.timeout(self._settle_timeout_s):
                await worker.ready()

    async def stop(self, worker: IPCWorker) -> None:
        """Let a worker leave; it may be started again, such as to see what it catches up with."""
        if (taking_note := self._workers.pop(worker, None)) is not None:
            await worker.stop(timeout_s=STOP_TIMEOUT_S)
            worker.unhook("handler_error", taking_note)

    async def emit(
        self,
        event: str,
        data: Any = None,
        *,
        source: str,
        target: str | Sequence[str] | None = None,
        id: str | None = None,  # noqa: A002 - the protocol's word
        meta: Mapping[str, Any] | None = None,
    ) -> str:
        """Emit an event as a service would, and return its position; `settled` waits for what comes of it.

        Raises:
            BadMessageError: the event's name, target or data is wrong.
            UnknownServiceError: the catalogue has no service of the source's name.
            UnavailableError: the bus is not running.

        """
        name = full_name(source)
        if (emitter := self._emitters.get(name)) is None:
            emitter = self._emitters[name] = IPCWorker(name)
            await emitter.start(self._transport(name))
        return await emitter.emit(event, data, target=target, id=id, meta=meta)

    # Time

    async def settled(self) -> None:
        """Wait until every event is handled, also those that handlers emit, and every retry that is due.

        Raises:
            AssertionError: a handler was still running after `settle_timeout_s`; the message names it.

        """
        await self._settled(frozenset())

    async def advance(self, seconds: float) -> None:
        """Let time pass, in steps: each retry and deadline on the way comes at its time, and is handled.

        A handler that is running already is not waited for: it may be what the time passes for.

        Raises:
            AssertionError: a handler that began on the way was still running after `settle_timeout_s`.

        """
        if seconds < 0:
            raise ValueError(f"time does not go back: advance by 0 seconds or more, not {seconds}")
        await self._activity.quiet()
        held = self._running()
        await self._settled(held)
        end = self.clock.monotonic() + seconds
        while (alarm := self.clock.next_alarm) is not None and alarm <= end:
            self.clock.move_to(alarm)
            await self._settled(held)
        self.clock.move_to(end)
        await self._settled(held)

    # What happened

    def emitted(self, pattern: str = "*") -> list[Emitted]:
        """Return the events that a pattern matches, of all services and of the test itself, in order.

        What the mesh itself says, that services have come and gone, is among them only if the pattern names it, such
        as ``service:*``.

        Raises:
            BadMessageError: INVALID_PATTERN.

        """
        matches = compile_pattern(pattern)
        says_so = pattern.startswith("service:")
        return [
            emitted
            for emitted in emitted_from(self._stores.eventlog.appended)
            if matches(emitted.event) and (says_so or emitted.event not in PRESENCE_EVENTS)
        ]

    def assert_emitted(
        self,
        event: str,
        *,
        source: str | None = None,
        target: str | Sequence[str] | None = None,
        data: Any = None,
        times: int | None = None,
    ) -> Emitted:
        """Return the first event that is as described; ``data`` may leave members of objects out.

        Args:
            event: a name or a pattern.
            source: the service that emitted it.
            target: one or more services that it was for, or ``broadcast``.
            data: what its data is, or has among other members.
            times: how many there are, if that matters.

        Raises:
            AssertionError: there is none, or another number, or with ``times`` one may yet come, since `settled` was
                not awaited; the message says what there is instead.

        """
        expected = Expected(event=event, source=source, target=target, data=data)
        if times is not None:
            self._check_settled()
        named = self.emitted(event)
        found = [emitted for emitted in named if expected.difference(emitted) is None]
        if not found or times not in {None, len(found)}:
            differing = [f"{each} <- {reason}" for each in named if (reason := expected.difference(each))]
            how = f"was emitted {len(found)} times, not {times}" if found else "was not emitted"
            raise AssertionError(
                f"{expected} {how}."
                + listed("As expected were:", found)
                + listed("Of that name, but different:", differing)
                + ("" if named else listed("Emitted were:", self.emitted(), "nothing"))
                + self._circumstances()
            )
        return found[0]

    def assert_not_emitted(
        self,
        event: str,
        *,
        source: str | None = None,
        target: str | Sequence[str] | None = None,
        data: Any = None,
    ) -> None:
        """Make sure that no event is as described, with the same arguments as `assert_emitted`.

        Raises:
            AssertionError: there is one, or it may yet come, since `settled` was not awaited.

        """
        self._check_settled()
        expected = Expected(event=event, source=source, target=target, data=data)
        found = [emitted for emitted in self.emitted(event) if expected.difference(emitted) is None]
        if found:
            raise AssertionError(f"{expected} was emitted, and should not have been." + listed("These are:", found))

    def dead_letters(self, service: str, group: str) -> list[DeadLetter]:
        """Return what a group has given up, oldest first."""
        return list(self._stores.dead_letters.letters[full_name(service), group])

    # Inside

    def _transport(self, service: str, version: str = "") -> CountedTransport:
        if self._hub is None:
            raise UnavailableError("the bus is not running: use it inside of `async with TestBus() as bus:`")
        return CountedTransport(LocalTransport(self._hub, service, version=version), self._activity)

    def _taking_note_of(self, service: str) -> Callable[[Exception, EventContext], None]:
        def take_note(error: Exception, context: EventContext) -> None:
            self.failures.append(HandlerFailure(service, error, context))

        return take_note

    def _running(self) -> Running:
        return frozenset(task for worker in self._workers for task in worker.running)

    async def _settled(self, held: Running) -> None:
        try:
            async with asyncio.timeout(self._settle_timeout_s):
                while True:
                    for worker in self._workers:
                        await worker.ready()
                    await self._activity.quiet()
                    running = self._running() - held
                    if not running and all(worker.is_ready for worker in self._workers):
                        self._settled_at = self._activity.frames
                        return
                    if running:
                        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            names = [task.get_name() for task in self._running() - held]
            raise AssertionError(
                f"not settled within {self._settle_timeout_s:g} s."
                + listed("Still running:", names, "nothing; events go round without an end")
                + self._circumstances()
            ) from None

    def _check_settled(self) -> None:
        if self._activity.frames != self._settled_at:
            raise AssertionError("events are on their way: `await bus.settled()` before saying what was not emitted")

    def _circumstances(self) -> str:
        waiting = [
            f"{event} in group {name}: attempt {attempts} is not over, or has failed and the next one comes with time; "
            "`await bus.advance(seconds)` lets it pass"
            for name, event, attempts in self._stores.groups.unfinished()
        ]
        return listed("Handlers failed:", self.failures) + listed("Not finished:", waiting)
