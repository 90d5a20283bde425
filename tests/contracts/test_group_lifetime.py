"""Where a worker's group begins and how it ends, whatever hubs stand on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ipc.hub.hub import Hub
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError
from tests.contracts.backends import Backend
from tests.contracts.recorders import GUARD_S, Recorder

LOG = "exprsn-herald"


@pytest.fixture
async def hubs(backend: Backend) -> tuple[Hub, Hub]:
    """Two processes in one mesh."""
    return await backend.hub(), await backend.hub()


@pytest.fixture
async def positions(hubs: tuple[Hub, Hub]) -> AsyncIterator[list[str]]:
    """Three events for herald, which are there before any group is."""
    timeline = Recorder("timeline")
    async with timeline.on(hubs[0]):
        yield [await timeline.worker.emit("post:created", number, target="herald") for number in range(3)]


def member(**options: Any) -> Recorder:
    recorder = Recorder("herald")
    recorder.listens("post:*", group="notify", credit=1, **options)
    return recorder


async def emit(hub: Hub, *numbers: int) -> None:
    timeline = Recorder("timeline")
    async with timeline.on(hub):
        for number in numbers:
            await timeline.worker.emit("post:created", number, target="herald")


async def test_a_new_group_begins_at_the_start_where_it_says_so(hubs: tuple[Hub, Hub], positions: list[str]) -> None:
    """And only a new one: whoever joins it later, or again, gets nothing twice."""
    for round_of in range(2):
        herald = member(since="start")
        async with herald.on(hubs[round_of]):
            await emit(hubs[0], 3 + round_of)
            assert await herald.hears(1 if round_of else 4) == ([4] if round_of else [0, 1, 2, 3])
    assert len(positions) == 3


async def test_a_new_group_begins_after_a_position(hubs: tuple[Hub, Hub], positions: list[str]) -> None:
    """Of a log by either of its names."""
    for name, log in (("notify", "herald"), ("audit", LOG)):
        herald = Recorder("herald")
        herald.listens("post:*", group=name, credit=1, since={log: positions[1]})
        async with herald.on(hubs[1]):
            assert await herald.hears(1) == [2]


async def test_a_beginning_that_cannot_be_is_told(hubs: tuple[Hub, Hub], positions: list[str]) -> None:
    """A position of the future is no beginning, so the group begins at the end of the log."""
    herald = member(since={LOG: "99999999999999-0"})
    told: list[IPCError] = []
    herald.worker.hook("error")(told.append)
    async with herald.on(hubs[0]):
        await emit(hubs[1], 3)
        assert await herald.hears(1) == [3]
    assert [error.details for error in told] == [{"reasons": {LOG: "unknown_position"}}]
    assert len(positions) == 3


async def test_a_group_is_forgotten_with_what_waits(hubs: tuple[Hub, Hub], positions: list[str]) -> None:
    """The worker stays attached, has left it for good, and what its handler was at work on counts for nothing."""
    herald = Recorder("herald")
    at_work, may_end = asyncio.Event(), asyncio.Event()
    heard: list[Any] = []
    told: list[IPCError] = []
    herald.worker.hook("error")(told.append)

    @herald.worker.on("post:*", group="notify", credit=1, since="start")
    async def handle(data: Any, _ctx: Any) -> None:
        heard.append(data)
        at_work.set()
        await may_end.wait()

    herald.listens("user:login")
    async with herald.on(hubs[0]):
        async with asyncio.timeout(GUARD_S):
            await at_work.wait()
        await herald.worker.forget("notify")
        may_end.set()
        await herald.worker.emit("user:login", 9)
        assert await herald.hears(1) == [9]
    # Started again, the worker is no member either: what begins anew begins at the end, by another.
    async with herald.on(hubs[0]), (other := member()).on(hubs[1]):
        await emit(hubs[0], 3)
        assert await other.hears(1) == [3]
    assert heard == [0]
    assert told == []
    assert len(positions) == 3


async def test_a_group_with_other_members_is_not_forgotten(hubs: tuple[Hub, Hub]) -> None:
    """Wherever they are; who asked for it is a member as before, also on its next connection."""
    first, second = Recorder("herald"), member()
    heard: list[Any] = []
    at_work, may_end, heard_last = asyncio.Event(), asyncio.Event(), asyncio.Event()

    @first.worker.on("post:*", group="notify", credit=1)
    async def handle(data: Any, _ctx: Any) -> None:
        heard.append(data)
        at_work.set()
        await may_end.wait()
        if data == 3:
            heard_last.set()

    async with first.on(hubs[0]), asyncio.timeout(GUARD_S):
        await emit(hubs[0], 0)
        await at_work.wait()
        async with second.on(hubs[1]):
            # The first one has its hands full, so what comes is for the second, whose hub thereby serves the group.
            await emit(hubs[0], 1)
            assert await second.hears(1) == [1]
            with pytest.raises(BadMessageError, match="other members"):
                await first.worker.forget("notify")
        first.up.clear()
        assert first.worker._link is not None
        first.worker._link.restart()
        may_end.set()
        await first.up.wait()
        await emit(hubs[1], 3)
        await heard_last.wait()
    assert set(heard) == {0, 3}


async def test_a_group_that_is_not_there_is_forgotten_all_the_same(hubs: tuple[Hub, Hub]) -> None:
    """Who asks need not have been a member; a name that no group has is refused."""
    herald = Recorder("herald")
    async with herald.on(hubs[0]):
        await herald.worker.forget("never")
        with pytest.raises(BadMessageError) as refused:
            await herald.worker.forget("not a name")
    assert refused.value.code is ErrorCode.INVALID_GROUP
