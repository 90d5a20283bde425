"""What a group does when Redis fails it: every event is handed out, and none is held twice in one hub."""

import logging

import pytest
from redis.asyncio import Redis

from ipc.protocol.limits import Limits
from ipc.stores import keys
from ipc.stores.groups import Groups
from tests.ipc.durable import GROUP, NAME, SERVICE, GroupMember, all_acknowledged, eventually, pending
from tests.ipc.hub.rigs import MakeRig, Rig


@pytest.fixture
def groups(redis_client: Redis) -> Groups:
    return Groups(redis_client)


async def test_events_of_a_read_that_nobody_heard_are_found(make_rig: MakeRig, groups: Groups) -> None:
    """Redis gave them to this hub, and the connection was cut before the answer came."""
    rig = await make_rig()
    member = GroupMember(rig.hub)
    await member.join(credit=2)
    await member.emit(data=0)
    held = await member.next()
    await rig.rests()
    rig.flaky.fail("exchange", after=True)
    await member.emit(data=1)
    await rig.failure("exchange")
    await rig.recovers()
    found = await member.next()
    assert (found["data"], found["attempt"]) == (1, 2)
    await member.ack(held, found)
    await all_acknowledged(groups)
    assert member.heard == [0, 1]


async def test_acknowledgements_outlive_an_outage(make_rig: MakeRig, groups: Groups) -> None:
    rig = await make_rig()
    member = GroupMember(rig.hub)
    await member.join(credit=3)
    await member.emit_numbers(range(3))
    events = await member.take(3)
    rig.flaky.fail("exchange")
    await member.ack(*events)
    await rig.failure("exchange")
    await rig.recovers()
    await all_acknowledged(groups)
    assert len(member.heard) == 3


@pytest.mark.parametrize("after", [False, True])
async def test_retries_of_two_logs_outlive_a_failed_claim(make_rig: MakeRig, after: bool) -> None:
    """None is lost, whether the claim was carried out or not; nor is any handed out twice."""
    rig = await make_rig()
    member = GroupMember(rig.hub)
    await member.join(credit=4)
    await member.emit(data="broadcast")
    await member.emit(data="own", target="herald")
    events = await member.take(2)
    rig.flaky.fail("claim", after=after)
    for event in events:
        await member.nack(event, retry_in_ms=0)
    await rig.failure("claim")
    await rig.recovers()
    assert {event["data"] for event in await member.take(2)} == {"broadcast", "own"}
    await rig.tends(2)
    assert await member.is_well()
    assert len(member.heard) == 4


async def test_the_task_survives_what_nobody_foresaw(make_rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    """It says so with a traceback, and goes on."""
    rig = await make_rig()
    member = GroupMember(rig.hub)
    await member.join()
    rig.flaky.fail("exchange", error=KeyError("surprise"))
    with caplog.at_level(logging.CRITICAL, "ipc.hub.group_task"):
        await member.emit(data=0)
        await rig.failure("exchange")
        await rig.recovers()
        assert (await member.next())["data"] == 0
    assert rig.hub.counters.group_steps_failed >= 1


async def test_an_entry_of_a_stranger_in_the_log_is_passed_over(
    make_rig: MakeRig, groups: Groups, redis_client: Redis
) -> None:
    rig = await make_rig()
    member = GroupMember(rig.hub)
    await member.join()
    await redis_client.xadd(keys.log(SERVICE), {"who": "knows"})
    await member.emit(data=1, target="herald")
    await member.ack(await member.next())
    await all_acknowledged(groups)
    assert member.heard == [1]


# Hubs that die, pause and come back


async def test_another_hub_adopts_what_a_dead_one_held(make_rig: MakeRig, redis_client: Redis, groups: Groups) -> None:
    """With the attempts counted on, and once only."""
    dead, alive = await make_rig(), await make_rig()
    lost, member = GroupMember(dead.hub), GroupMember(alive.hub)
    await lost.join(credit=3)
    await lost.emit_numbers(range(3), target="herald")
    await lost.take(3)
    await member.join()
    await alive.tends(2)
    assert member.heard == []
    await dead.dies(redis_client)
    await alive.tends(2)
    events = await member.take(3)
    assert [(event["data"], event["attempt"]) for event in events] == [(0, 2), (1, 2), (2, 2)]
    await member.ack(*events)
    await all_acknowledged(groups)
    assert dead.hub.id not in await groups.consumers(SERVICE, NAME) or await _tidied(alive, dead, groups)


async def _tidied(alive: Rig, dead: Rig, groups: Groups) -> bool:
    await alive.tends(2)
    return dead.hub.id not in await groups.consumers(SERVICE, NAME)


async def test_a_hub_that_was_away_gives_the_others_time(make_rig: MakeRig, redis_client: Redis) -> None:
    """After an outage of Redis nobody's word holds; whoever is first back must not take over from all others."""
    first, second = await make_rig(), await make_rig()
    holder, other = GroupMember(second.hub), GroupMember(first.hub)
    await holder.join(credit=1)
    await holder.emit(data=0)
    await holder.next()
    await other.join(credit=1)
    await first.tends()
    await redis_client.delete(keys.serving(SERVICE, GROUP))
    await first.tends()
    await second.tends()
    await first.tends(2)
    assert await other.is_well()
    assert other.heard == []


async def test_a_hub_that_was_paused_does_not_take_back_what_was_adopted(
    make_rig: MakeRig, redis_client: Redis, groups: Groups
) -> None:
    """Its member fails late: the event is another hub's by then, which alone tries it again."""
    paused, alive = await make_rig(), await make_rig()
    late, member = GroupMember(paused.hub), GroupMember(alive.hub)
    await late.join(credit=1)
    await late.emit(data=0)
    event = await late.next()
    await member.join(credit=1)
    await alive.tends()
    await redis_client.zrem(keys.serving(SERVICE, GROUP), paused.hub.id)
    await alive.tends(2)
    adopted = await member.next()
    await late.nack(event, retry_in_ms=0)

    async def has_let_go() -> bool:
        return bool(paused.hub.counters.deliveries_taken_over == 1)

    await eventually(has_let_go)
    assert await pending(groups) == [(alive.hub.id, 2)]
    await member.ack(adopted)
    await all_acknowledged(groups)
    assert (len(late.heard), len(member.heard)) == (1, 1)


async def test_a_late_last_failure_is_no_dead_letter_of_what_another_hub_has(
    make_rig: MakeRig, redis_client: Redis
) -> None:
    paused, alive = await make_rig(), await make_rig()
    late, member = GroupMember(paused.hub), GroupMember(alive.hub)
    await late.join(credit=1)
    await late.emit(data=0)
    event = await late.next()
    await member.join(credit=1)
    await alive.tends()
    await redis_client.zrem(keys.serving(SERVICE, GROUP), paused.hub.id)
    await alive.tends(2)
    await member.next()
    await late.nack(event, reject=True)

    async def has_let_go() -> bool:
        return bool(paused.hub.counters.deliveries_taken_over == 1)

    await eventually(has_let_go)
    assert await redis_client.xlen(keys.dead(SERVICE, GROUP)) == 0


async def test_members_that_come_back_to_their_hub_get_what_they_left(make_rig: MakeRig, groups: Groups) -> None:
    """What is pending at the hub and nobody holds comes once; with less credit than that, bit by bit."""
    rig = await make_rig()
    member = GroupMember(rig.hub)
    await member.join(credit=5)
    await member.emit_numbers(range(5), target="herald")
    await member.take(5)
    await rig.hub.detach(member.session)

    async def is_over() -> bool:
        return not rig.hub.deliveries._groups

    await eventually(is_over)
    assert len(await pending(groups)) == 5
    back = GroupMember(rig.hub)
    await back.join(credit=2)
    for _ in range(5):
        await back.ack(await back.next())
    await all_acknowledged(groups)
    await rig.tends(2)
    assert back.heard == list(range(5))


async def test_what_is_in_memory_is_not_adopted(make_rig: MakeRig) -> None:
    """A failure makes the hub look for what it has lost: not what a member holds, nor what waits for its retry."""
    rig = await make_rig()
    member = GroupMember(rig.hub)
    await member.join(credit=3)
    await member.emit_numbers(range(3))
    events = await member.take(3)
    await member.nack(events[0], retry_in_ms=3_600_000)
    rig.flaky.fail("exchange")
    await member.ack(events[1])
    await rig.failure("exchange")
    await rig.recovers()
    await rig.tends(3)
    assert await member.is_well()
    assert len(member.heard) == 3
    assert rig.hub.counters.deliveries_adopted == 0


# Logs that lose


async def test_an_event_that_was_trimmed_before_its_retry_is_delivered_all_the_same(
    make_rig: MakeRig, redis_client: Redis, groups: Groups
) -> None:
    """The hub has it still."""
    rig = await make_rig()
    member = GroupMember(rig.hub)
    await member.join()
    await member.emit(data="kept", target="herald")
    event = await member.next()
    await redis_client.xtrim(keys.log(SERVICE), maxlen=0, approximate=False)
    for attempt in (2, 3):
        await member.nack(event, retry_in_ms=0)
        event = await member.next()
        assert (event["data"], event["attempt"]) == ("kept", attempt)
    await member.nack(event, reject=True)

    async def is_dead() -> bool:
        return int(await redis_client.xlen(keys.dead(SERVICE, GROUP))) == 1

    await eventually(is_dead)


async def test_a_group_begins_again_when_redis_has_lost_everything(make_rig: MakeRig, redis_client: Redis) -> None:
    """What is emitted from then on is delivered, and what the hub has is not lost either."""
    rig = await make_rig()
    member = GroupMember(rig.hub)
    await member.join(credit=4)
    await member.emit(data="before", target="herald")
    event = await member.next()
    await redis_client.flushall()
    await member.emit(data="after", target="herald")
    assert (await member.next())["data"] == "after"
    await member.nack(event, retry_in_ms=0)
    again = await member.next()
    assert (again["data"], again["attempt"]) == ("before", 2)
    assert rig.hub.counters.groups_recreated == 1


async def test_losing_everything_and_then_redis_does_not_end_a_group(make_rig: MakeRig, redis_client: Redis) -> None:
    rig = await make_rig()
    member = GroupMember(rig.hub)
    await member.join()
    rig.flaky.fail("create")
    await redis_client.flushall()
    await member.emit(data="after", target="herald")
    await rig.failure("create")
    await rig.recovers()
    assert (await member.next())["data"] == "after"


# Connections that are behind


async def test_a_connection_that_is_behind_is_handed_no_more(make_rig: MakeRig) -> None:
    """A backlog of large events does not close it, nor does it cost attempts: it comes as it is read."""
    rig = await make_rig(limits=Limits(outbox_bytes=400_000, drain_ms=1))
    member = GroupMember(rig.hub)
    member.peer.stop_reading()
    emitter = GroupMember(rig.hub, "timeline")
    for number in range(40):
        await emitter.emit(data=[number, "x" * 30_000], target="herald")
    await rig.hub.deliveries._store.create(SERVICE, NAME, after="0-0")
    await member.say({"type": "subscribe", "id": "s", "events": ["*"], "group": GROUP})

    async def is_behind() -> bool:
        return not member.session.has_room

    await eventually(is_behind)
    assert not member.session.is_closed
    member.peer.read_on()
    for number in range(40):
        event = await member.next()
        assert (event["data"][0], event["attempt"]) == (number, 1)
        await member.ack(event)


# Stopping


async def test_a_hub_that_stops_writes_its_acknowledgements(make_rig: MakeRig, groups: Groups) -> None:
    """Those taken just before; nothing of it is delivered again elsewhere."""
    rig = await make_rig()
    member = GroupMember(rig.hub)
    await member.join()
    await member.emit_numbers(range(3))
    await member.ack(*await member.take(3))
    await rig.hub.stop()
    assert await pending(groups) == []
    assert await groups.served_by(SERVICE, GROUP) == frozenset()


async def test_a_hub_stops_though_redis_is_away(make_rig: MakeRig, groups: Groups) -> None:
    """What it could not acknowledge is pending still."""
    rig = await make_rig()
    member = GroupMember(rig.hub)
    await member.join()
    await member.emit(data=0)
    event = await member.next()
    rig.flaky.fail("exchange")
    await member.ack(event)
    await rig.failure("exchange")
    await rig.hub.stop()
    assert await pending(groups) == [(rig.hub.id, 1)]
