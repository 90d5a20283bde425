"""A member that is connected and answers nothing: it costs an event one attempt, and then hardly anything."""

import logging

import pytest

from ipc.hub.hub import Hub
from tests.ipc.conftest import MakeHub
from tests.ipc.durable import GroupMember, Wound
from tests.ipc.peers import Message

RETRY = {"ack_ms": 1_000, "backoff_ms": [0, 0, 0]}


@pytest.fixture
def clock() -> Wound:
    return Wound()


@pytest.fixture
async def hub(make_hub: MakeHub, clock: Wound) -> Hub:
    """A hub whose deadlines and pauses go by the test's clock."""
    return await make_hub(clock=clock)


async def joined(hub: Hub, credit: int) -> GroupMember:
    member = GroupMember(hub)
    await member.join(credit=credit, retry=RETRY)
    return member


async def stuck(hub: Hub, clock: Wound) -> tuple[GroupMember, list[Message]]:
    """Return a member that has left as many deliveries unanswered as make it stuck, and those."""
    member = await joined(hub, 3)
    await member.emit_numbers(range(3))
    missed = await member.take(3)
    clock.forward(1.1)
    return member, missed


def numbers(events: list[Message]) -> list[object]:
    return [event["data"] for event in events]


async def test_what_one_did_not_answer_in_time_another_gets_next(hub: Hub, clock: Wound) -> None:
    """Although the first has more credit left."""
    hung, other = await joined(hub, 10), await joined(hub, 2)
    await hung.emit_numbers(range(2))
    assert numbers(await hung.take(2)) == [0, 1]
    clock.forward(1.1)
    assert [(event["data"], event["attempt"]) for event in await other.take(2)] == [(0, 2), (1, 2)]


async def test_it_gets_it_again_itself_if_no_other_has_credit_left(hub: Hub, clock: Wound) -> None:
    """Else an event could wait for as long as another's handler runs."""
    hung, busy = await joined(hub, 2), await joined(hub, 1)
    await hung.emit_numbers(range(3))
    held = await busy.next()
    taken = await hung.take(2)
    assert held["data"] not in numbers(taken)
    clock.forward(0.9)
    await busy.say({"type": "progress", "deliveries": [held["delivery"]]})
    clock.forward(0.2)
    assert [(event["data"], event["attempt"]) for event in await hung.take(2)] == [
        (event["data"], 2) for event in taken
    ]


async def test_one_that_leaves_several_in_a_row_unanswered_gets_one_at_a_time(
    hub: Hub, clock: Wound, caplog: pytest.LogCaptureFixture
) -> None:
    """Which is said once, and not repeated with each further one."""
    with caplog.at_level(logging.WARNING):
        member, _ = await stuck(hub, clock)
        assert numbers([await member.next()]) == [0]
        clock.forward(1.1)
        await member.next()
    assert await member.is_well()
    assert len(member.peer.events) == 5
    warnings = [record.getMessage() for record in caplog.records if "unanswered" in record.getMessage()]
    assert len(warnings) == 1
    assert member.session.instance in warnings[0]


@pytest.mark.parametrize("answer", ["ack", "nack"])
async def test_its_credit_is_back_with_its_first_answer(hub: Hub, clock: Wound, answer: str) -> None:
    """A member that fails what it is handed answers too."""
    member, _ = await stuck(hub, clock)
    first = await member.next()
    if answer == "ack":
        await member.ack(first)
        assert numbers(await member.take(2)) == [1, 2]
    else:
        await member.nack(first)
        assert sorted(map(str, numbers(await member.take(3)))) == ["0", "1", "2"]


async def test_an_answer_that_comes_too_late_is_none(hub: Hub, clock: Wound) -> None:
    """It is refused, so a member whose handlers take longer than they may is kept to one at a time."""
    member, missed = await stuck(hub, clock)
    await member.next()
    await member.ack(*missed)
    await member.peer.until(lambda: member.last["type"] == "error")
    assert await member.is_well()
    assert len(member.peer.events) == 4


async def test_an_answer_in_between_begins_the_count_anew(hub: Hub, clock: Wound) -> None:
    member = await joined(hub, 2)
    await member.emit_numbers(range(2))
    await member.take(2)
    clock.forward(1.1)
    first, second = await member.take(2)
    await member.ack(first)
    clock.forward(1.1)
    assert (await member.next())["data"] == second["data"]
    await member.emit(data=9)
    assert (await member.next())["data"] == 9


async def test_a_stuck_member_costs_an_event_one_attempt_while_another_works(hub: Hub, clock: Wound) -> None:
    """All that it let pass is done by the other at once, and nothing of it is handed to the stuck one again."""
    hung, worker = await joined(hub, 4), await joined(hub, 4)
    await worker.emit_numbers(range(12))
    done = set()
    for attempt, count in ((1, 8), (2, 4)):
        for _ in range(count):
            event = await worker.next()
            assert event["attempt"] == attempt
            await worker.ack(event)
            done.add(event["data"])
        clock.forward(1.1)
    assert done == set(range(12))
    assert await hung.is_well()
    assert len(hung.peer.events) == 4
