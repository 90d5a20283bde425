"""What is in the mesh that the pages show: events, groups, members and dead letters, some of them hostile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from msgspec import Raw

from ipc import EventContext, IPCWorker
from ipc.hub.emitting import Emitted, emit_as
from ipc.hub.hub import Hub
from ipc.protocol import codec
from ipc.protocol.messages import Emit
from ipc.stores.dead_letter import DeadLetter
from ipc.stores.dead_letters import DeadLetters
from ipc.stores.groups import Groups
from ipc.transports.local import LocalTransport

EVIL = "<script>alert(1)</script>"
HERALD, NOTIFY = "exprsn-herald", "notify"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
GUARD_S = 15.0


async def emit(
    hub: Hub,
    event: str = "post:created",
    data: Any = None,
    *,
    by: str = "exprsn-timeline",
    meta: bytes | None = None,
    **options: Any,
) -> Emitted:
    """Emit an event as Timeline, and return where it is."""
    if meta is not None:
        options["meta"] = Raw(meta)
    message = Emit(event=event, data=Raw(codec.encode_json(data).encode()), **options)
    (outcome,) = await emit_as(hub, by, frozenset({"*"}), [message])
    assert isinstance(outcome, Emitted), outcome
    return outcome


async def make_group(redis: Any, service: str = HERALD, group: str = NOTIFY) -> None:
    """Make a group that hears all of its logs."""
    for log in ("broadcast", service, f"{service}/{group}"):
        await Groups(redis).create(log, f"{service}/{group}", after="0-0")


async def bury(redis: Any, number: int = 1, *, service: str = HERALD, group: str = NOTIFY, **told: Any) -> None:
    """Put a dead letter there whose text would be a script if it were not text."""
    event, error = told.pop("event", "post:created"), told.pop("error", f"ValueError: {EVIL}")
    data = codec.encode_json(told.pop("data", {"n": number, "text": EVIL}))
    frame = (
        f'{{"type":"event","id":"e{number}","event":"{event}","source":"exprsn-timeline","target":"broadcast",'
        f'"ts":1795445282363,"data":{data}'
    )
    letter = DeadLetter(
        log="broadcast",
        position=f"{number}-0",
        event=event,
        frame=frame,
        error=error,
        traceback=f"Traceback\n{EVIL}",
        attempts=told.pop("attempts", 3),
        first_ms=told.pop("first_ms", 1),
        last_ms=told.pop("last_ms", 2),
        instance=f"{service}:01",
    )
    await DeadLetters(redis).bury(service, group, letter)


class Heard:
    """A member of a group that keeps what it gets, after doing what a test says."""

    def __init__(self, does: Callable[[Any], Awaitable[None]] | None = None, **options: Any) -> None:
        self.events: list[tuple[Any, EventContext]] = []
        self.worker = IPCWorker("herald")
        self._more = asyncio.Event()

        @self.worker.on("post:*", group=NOTIFY, **options)
        async def keep(data: Any, ctx: EventContext) -> None:
            self.events.append((data, ctx))
            self._more.set()
            if does is not None:
                await does(data)

    async def hears(self, count: int) -> list[tuple[Any, EventContext]]:
        """Wait until it has heard so many events, and return them."""
        async with asyncio.timeout(GUARD_S):
            while len(self.events) < count:
                self._more.clear()
                await self._more.wait()
        return self.events

    @asynccontextmanager
    async def on(self, hub: Hub) -> AsyncIterator["Heard"]:
        """Be attached to a hub for the length of a block."""
        await self.worker.start(LocalTransport(hub, self.worker.service))
        try:
            async with asyncio.timeout(GUARD_S):
                await self.worker.ready()
            yield self
        finally:
            await self.worker.stop()
