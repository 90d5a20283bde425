"""What the ledger tells of an event: the same at every hub, whatever the hubs stand on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from ipc.hub import bookkeeping
from ipc.hub.hub import Hub
from ipc.protocol.codes import ErrorCode
from ipc.protocol.delivery_status import EventStatus, GroupStatus
from ipc.protocol.errors import IPCError
from tests.contracts.backends import Backend
from tests.contracts.recorders import GUARD_S, Recorder

Attach = Callable[[Recorder, Hub], Awaitable[Recorder]]
GROUP = "notify"


@pytest.fixture
async def hubs(backend: Backend) -> tuple[Hub, Hub]:
    """Two processes in one mesh: the members are on the first, who asks is on the second."""
    return await backend.hub(), await backend.hub()


@pytest.fixture
async def attach(hubs: tuple[Hub, Hub]) -> AsyncIterator[Attach]:
    async with AsyncExitStack() as stack:

        async def attach_to(recorder: Recorder, hub: Hub) -> Recorder:
            return await stack.enter_async_context(recorder.on(hub))

        yield attach_to


@pytest.fixture
async def timeline(attach: Attach, hubs: tuple[Hub, Hub]) -> Recorder:
    """Who emits, and asks."""
    return await attach(Recorder("timeline"), hubs[1])


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in a member's hands is noted at once."""
    monkeypatch.setattr(bookkeeping, "NOTED_AFTER_S", 0.0)


def herald(**options: Any) -> Recorder:
    recorder = Recorder("herald")
    recorder.listens("post:*", **{"group": GROUP, **options})
    return recorder


def fails(*_: object) -> None:
    raise ValueError("no address")


async def until(asker: Recorder, event_id: str, condition: Callable[[GroupStatus], bool]) -> GroupStatus:
    """Ask until the one group of an event is as expected; between two answers Redis and the hubs go on."""
    group = None
    try:
        async with asyncio.timeout(GUARD_S):
            while True:
                (group,) = (await asker.worker.status(event_id)).groups
                if condition(group):
                    return group
    except TimeoutError:
        raise AssertionError(f"last was {group}") from None


async def test_what_was_acknowledged_says_by_whom_and_after_how_long(
    attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder
) -> None:
    member = await attach(herald(), hubs[0])
    position = await timeline.worker.emit("post:created", {}, id="e1")
    group = await until(timeline, "e1", lambda group: group.state == "acked")
    assert (group.service, group.group, group.log, group.position) == ("exprsn-herald", GROUP, "broadcast", position)
    assert (group.attempt, group.hubs, group.offline) == (1, 1, False)
    assert group.instance is not None
    assert group.instance.startswith("exprsn-herald:")
    assert group.acked_in_ms is not None
    assert 0 <= group.acked_in_ms < GUARD_S * 1000
    assert (await member.worker.status("e1")).groups == [group]


async def test_an_events_head_and_its_logs_are_told(timeline: Recorder) -> None:
    position = await timeline.worker.emit("post:created", {"a": 1}, id="e1", target=["herald", "spark"])
    status = await timeline.worker.status("e1")
    assert (status.id, status.event, status.source) == ("e1", "post:created", "exprsn-timeline")
    assert (status.target, status.groups, status.has_more) == (["exprsn-herald", "exprsn-spark"], [], False)
    assert {place.log for place in status.logs} == {"exprsn-herald", "exprsn-spark"}
    assert all(place.in_log for place in status.logs)
    assert position in {place.position for place in status.logs}
    assert status.ts is not None
    assert status.asked_ms >= status.ts - 1


async def test_what_nobody_is_there_for_is_queued(attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder) -> None:
    member = await attach(herald(), hubs[0])
    await member.worker.stop()
    for number in range(3):
        await timeline.worker.emit("post:created", {}, id=f"e{number}")
    group = await until(timeline, "e2", lambda group: group.offline)
    assert (group.state, group.ahead, group.wanted, group.hubs) == ("queued", 2, True, 0)


async def test_a_group_passes_over_what_it_does_not_want(
    attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder
) -> None:
    await attach(herald(), hubs[0])
    await timeline.worker.emit("user:updated", {}, id="e1")
    group = await until(timeline, "e1", lambda group: group.state not in {"queued", "delivered"})
    assert (group.state, group.reason) == ("not_wanted", "no pattern of the group matched it")


async def test_what_was_there_before_a_group_was_not_for_it(
    attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder
) -> None:
    await timeline.worker.emit("post:created", {}, id="e1")
    await attach(herald(), hubs[0])
    group = await until(timeline, "e1", lambda group: group.state != "unknown")
    assert (group.state, group.reason) == ("not_wanted", "the group began after it")


@pytest.mark.usefixtures("soon")
async def test_what_takes_long_says_who_has_it(attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder) -> None:
    release, member = asyncio.Event(), Recorder("herald")

    @member.worker.on("post:*", group=GROUP)
    async def wait(_data: Any, _ctx: Any) -> None:
        await release.wait()

    await attach(member, hubs[0])
    await timeline.worker.emit("post:created", {}, id="e1")
    group = await until(timeline, "e1", lambda group: group.instance is not None)
    assert (group.state, group.attempt, group.max_attempts) == ("delivered", 1, 6)
    assert (group.hub, group.error) == (hubs[0].id, None)
    release.set()
    done = await until(timeline, "e1", lambda group: group.state == "acked")
    assert done.instance == group.instance


async def test_what_failed_says_why_and_when_it_comes_again(
    attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder
) -> None:
    await attach(herald(does=fails, retry={"backoff_ms": [1, 3_600_000]}), hubs[0])
    await timeline.worker.emit("post:created", {}, id="e1")
    group = await until(timeline, "e1", lambda group: group.state == "retrying" and group.attempt == 2)
    assert (group.max_attempts, group.error, group.hub) == (3, "ValueError: no address", hubs[0].id)
    assert group.next_ms is not None
    assert group.since_ms is not None
    assert 0.7 * 3_600_000 < group.next_ms - group.since_ms < 1.3 * 3_600_000


async def test_what_comes_through_in_the_end_leaves_no_note(
    attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder
) -> None:
    left = [ValueError("no"), ValueError("no")]

    def fails_twice(*_: object) -> None:
        if left:
            raise left.pop()

    await attach(herald(does=fails_twice, retry={"backoff_ms": [1, 1, 1]}), hubs[0])
    await timeline.worker.emit("post:created", {}, id="e1")
    group = await until(timeline, "e1", lambda group: group.state == "acked")
    assert (group.attempt, group.error, group.next_ms) == (3, None, None)


async def test_what_was_given_up_says_why(attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder) -> None:
    await attach(herald(does=fails, retry={"backoff_ms": [1]}), hubs[0])
    await timeline.worker.emit("post:created", {}, id="e1")
    group = await until(timeline, "e1", lambda group: group.state == "dead")
    assert (group.attempt, group.error) == (2, "ValueError: no address")
    assert group.dead_letter is not None
    assert group.dead_letter.startswith(f"exprsn-herald/{GROUP}/")
    assert group.instance is not None


async def test_what_once_has_spared_names_nobody(attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder) -> None:
    member = await attach(herald(once=True), hubs[0])
    await timeline.worker.emit("post:created", {}, id="e1", target="herald")
    await until(timeline, "e1", lambda group: group.state == "acked")
    # The same event, appended to another log, as an emitter does that has changed its target.
    await timeline.worker.emit("post:created", {}, id="e1")
    async with asyncio.timeout(GUARD_S):
        while True:
            # By log: within one millisecond the positions in two logs are the same.
            groups = {group.log: group for group in (await timeline.worker.status("e1")).groups}
            if groups["broadcast"].state == "acked":
                break
    assert groups["exprsn-herald"].instance is not None
    assert (groups["broadcast"].instance, member.data) == (None, [{}])


async def code_of(asking: Awaitable[EventStatus]) -> ErrorCode:
    with pytest.raises(IPCError) as raised:
        await asking
    return raised.value.code


async def test_an_event_that_is_not_there_is_not_found(timeline: Recorder) -> None:
    assert await code_of(timeline.worker.status("nothing")) is ErrorCode.EVENT_NOT_FOUND


async def test_an_id_of_two_services_has_to_say_whose(
    attach: Attach, hubs: tuple[Hub, Hub], timeline: Recorder
) -> None:
    spark = await attach(Recorder("spark"), hubs[0])
    for emitter in (timeline, spark):
        await emitter.worker.emit("post:created", {}, id="e1")
    assert await code_of(timeline.worker.status("e1")) is ErrorCode.AMBIGUOUS_EVENT
    for source in ("timeline", "exprsn-spark"):
        assert str((await timeline.worker.status("e1", source=source)).source).endswith(source.removeprefix("exprsn-"))
    assert await code_of(timeline.worker.status("e1", source="herald")) is ErrorCode.EVENT_NOT_FOUND


async def test_a_place_is_taken_at_its_word_as_far_as_it_can_be_checked(timeline: Recorder) -> None:
    position = await timeline.worker.emit("post:created", {}, id="e1")
    other = await timeline.worker.emit("post:created", {}, id="e2")
    at = await timeline.worker.status("e1", log="broadcast", position=position)
    assert [place.position for place in at.logs] == [position]
    for log, place in (("broadcast", other), ("broadcast", "9" + position), ("herald", position)):
        asking = timeline.worker.status("e1", log=log, position=place)
        assert await code_of(asking) is ErrorCode.EVENT_NOT_FOUND


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ({"log": "broadcast"}, ErrorCode.INVALID_MESSAGE),
        ({"position": "1-0"}, ErrorCode.INVALID_MESSAGE),
        ({"log": "nobody", "position": "1-0"}, ErrorCode.UNKNOWN_SERVICE),
        ({"log": "herald/a b", "position": "1-0"}, ErrorCode.INVALID_GROUP),
        ({"log": "broadcast", "position": "soon"}, ErrorCode.INVALID_POSITION),
        ({"log": "broadcast", "position": f"{2**64}-0"}, ErrorCode.INVALID_POSITION),
        ({"source": "nobody"}, ErrorCode.UNKNOWN_SERVICE),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(
    timeline: Recorder, place: dict[str, str], code: ErrorCode
) -> None:
    assert await code_of(timeline.worker.status("e1", **place)) is code


@pytest.mark.parametrize("event_id", ["\x00\n\x1b", '"},{"', "%2e%2e/é", "*", "[a-z]"])
async def test_an_id_may_be_any_text(timeline: Recorder, event_id: str) -> None:
    assert await code_of(timeline.worker.status(event_id)) is ErrorCode.EVENT_NOT_FOUND
    await timeline.worker.emit("post:created", {}, id=event_id)
    assert (await timeline.worker.status(event_id)).id == event_id
