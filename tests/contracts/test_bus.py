"""What workers can rely on, whatever hubs stand on: order, targets, ids, resuming, groups, retries, dead letters."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from ipc import EventContext, Reject
from ipc.hub import group_task
from ipc.hub.hub import Hub
from ipc.protocol.codes import CloseCode
from tests.contracts.backends import Backend
from tests.contracts.recorders import GUARD_S, Recorder

Attach = Callable[[Recorder, Hub], Awaitable[Recorder]]
# Long enough that a handler which fails is called again within a test, and never for another reason.
RETRY: dict[str, Any] = {"backoff_ms": [1, 1]}


@pytest.fixture
async def hubs(backend: Backend) -> tuple[Hub, Hub]:
    """Two processes in one mesh."""
    return await backend.hub(), await backend.hub()


@pytest.fixture
async def attach(hubs: tuple[Hub, Hub]) -> AsyncIterator[Attach]:
    """Attach recorders until the test ends."""
    async with AsyncExitStack() as stack:

        async def attach_to(recorder: Recorder, hub: Hub) -> Recorder:
            return await stack.enter_async_context(recorder.on(hub))

        yield attach_to


@pytest.fixture
async def timeline(attach: Attach, hubs: tuple[Hub, Hub]) -> Recorder:
    """Who emits."""
    return await attach(Recorder("timeline"), hubs[0])


def listening(service: str, *patterns: str, **options: Any) -> Recorder:
    recorder = Recorder(service)
    recorder.listens(*patterns, **options)
    return recorder


async def test_every_instance_hears_every_event_in_order(
    attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder
) -> None:
    """On the emitter's hub and on another, the same positions; what no pattern matches is not heard."""
    heralds = [await attach(listening("herald", "post:*"), hub) for hub in hubs]
    for number in range(20):
        await timeline.worker.emit("post:created" if number % 2 else "post:updated", number)
        await timeline.worker.emit("user:login", number)
    for herald in heralds:
        assert await herald.hears(20) == list(range(20))
    contexts = [[(ctx.position, ctx.id, ctx.source, ctx.target) for _, ctx in herald.heard] for herald in heralds]
    assert contexts[0] == contexts[1]


async def test_a_target_alone_hears_what_is_for_it(attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder) -> None:
    herald, spark = [await attach(listening(name, "post:*"), hubs[1]) for name in ("herald", "spark")]
    await timeline.worker.emit("post:created", 1, target="herald")
    await timeline.worker.emit("post:created", 2, target=["spark", "herald"])
    await timeline.worker.emit("post:created", 3, target="spark")
    await timeline.worker.emit("post:created", 4)
    # The log of a service and the one of all have no common order.
    assert sorted(await herald.hears(3)) == [1, 2, 4]
    assert sorted(await spark.hears(3)) == [2, 3, 4]


async def test_an_id_is_appended_once(attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder) -> None:
    """Also by another instance of the service on another hub; whoever repeats it gets the first position."""
    twin = await attach(Recorder("timeline"), hubs[1])
    herald = await attach(listening("herald", "post:*"), hubs[1])
    first = await timeline.worker.emit("post:created", 1, id="post-1")
    assert await twin.worker.emit("post:created", 1, id="post-1") == first
    await timeline.worker.emit("post:created", 2)
    assert await herald.hears(2) == [1, 2]


async def test_a_lost_connection_is_resumed_without_a_gap(
    attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder
) -> None:
    herald = await attach(listening("herald", "post:*"), hubs[1])
    await timeline.worker.emit("post:created", 0)
    await herald.hears(1)
    herald.up.clear()
    (session,) = [session for session in hubs[1].sessions.values() if session.service == "exprsn-herald"]
    session.close(CloseCode.TOO_SLOW, "to see it come back")
    for number in range(1, 5):
        await timeline.worker.emit("post:created", number)
    async with asyncio.timeout(GUARD_S):
        await herald.up.wait()
    await timeline.worker.emit("post:created", 5)
    assert await herald.hears(6) == list(range(6))


async def test_an_event_of_a_group_goes_to_one_member(
    attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder
) -> None:
    """Wherever the members are; each group of the service has it."""
    seen: list[Any] = []
    all_seen = asyncio.Event()

    def note(data: Any, _ctx: EventContext) -> None:
        seen.append(data)
        if len(seen) == 30:
            all_seen.set()

    for hub in hubs:
        await attach(listening("herald", "post:*", group="notify", does=note), hub)
    other = await attach(listening("herald", "post:*", group="count"), hubs[1])
    for number in range(30):
        await timeline.worker.emit("post:created", number)
    assert sorted(await other.hears(30)) == list(range(30))
    async with asyncio.timeout(GUARD_S):
        await all_seen.wait()
    assert sorted(seen) == list(range(30))


async def test_a_group_keeps_what_comes_while_nobody_is_there(
    attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder
) -> None:
    """A live subscription does not."""
    first = listening("herald", "post:*", group="notify")
    async with first.on(hubs[0]):
        await timeline.worker.emit("post:created", 0)
        await first.hears(1)
    await timeline.worker.emit("post:created", 1)
    await timeline.worker.emit("post:created", 2)
    second = listening("herald", "post:*", group="notify", credit=1)
    live = listening("herald", "post:*")
    await attach(live, hubs[1])
    await attach(second, hubs[1])
    assert await second.hears(2) == [1, 2]
    await timeline.worker.emit("post:created", 3)
    assert await live.hears(1) == [3]


async def test_what_a_handler_raises_is_tried_again(attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder) -> None:
    """In the same group alone, with the number of the attempt."""

    def fails_twice(_data: Any, ctx: EventContext) -> None:
        if ctx.attempt < 3:
            raise ValueError(f"attempt {ctx.attempt}")

    herald = await attach(listening("herald", "post:*", group="notify", retry=RETRY, does=fails_twice), hubs[0])
    position = await timeline.worker.emit("post:created", 1)
    await herald.hears(3)
    attempts = [(ctx.attempt, ctx.group, ctx.position) for _, ctx in herald.heard]
    assert attempts == [(attempt, "notify", position) for attempt in (1, 2, 3)]


async def buried(backend: Backend, hub: Hub, count: int) -> list[tuple[str, int]]:
    """Wait until so many dead letters are there, which nothing tells of, and return their errors and attempts."""
    async with asyncio.timeout(GUARD_S):
        while hub.counters.deliveries_dead < count:  # noqa: ASYNC110 - nobody waits for a counter in production
            await asyncio.sleep(0.005)
    return [(letter.error, letter.attempts) for letter in await backend.dead_letters("exprsn-herald", "notify")]


async def test_what_cannot_be_handled_becomes_a_dead_letter(
    attach: Attach, backend: Backend, hubs: tuple[Hub, Hub], timeline: Recorder
) -> None:
    """When the attempts are used up, or at once if the handler says that no retry can help."""

    def fails(data: Any, _ctx: EventContext) -> None:
        raise Reject("never") if data == "hopeless" else ValueError("not now")

    herald = await attach(listening("herald", "post:*", group="notify", retry=RETRY, does=fails), hubs[0])
    await timeline.worker.emit("post:created", "hopeless")
    assert await buried(backend, hubs[0], 1) == [("Reject: never", 1)]
    await timeline.worker.emit("post:created", "unlucky")
    assert await buried(backend, hubs[0], 2) == [("Reject: never", 1), ("ValueError: not now", 3)]
    assert herald.data == ["hopeless", *["unlucky"] * 3]


async def test_what_a_member_holds_when_it_goes_is_for_another(
    attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another hub as well, which takes over when the first has stopped serving the group."""
    monkeypatch.setattr(group_task, "TEND_S", 0.1)
    wedged = Recorder("herald")
    taken = asyncio.Event()

    @wedged.worker.on("post:*", group="notify")
    async def wait_for_ever(_data: Any, _ctx: EventContext) -> None:
        taken.set()
        await asyncio.Event().wait()

    async with wedged.on(hubs[0]):
        await timeline.worker.emit("post:created", 1)
        async with asyncio.timeout(GUARD_S):
            await taken.wait()
        await wedged.worker.stop(timeout_s=0)
    herald = await attach(listening("herald", "post:*", group="notify"), hubs[1])
    assert await herald.hears(1) == [1]
    assert herald.heard[0][1].attempt == 2
