"""Durable groups through the hub: who gets an event, what an answer does, and what is refused."""

import json
from typing import Any

import pytest
from redis.asyncio import Redis

from ipc.hub.hub import Hub
from ipc.protocol.routing import logs_of_group
from ipc.stores import keys
from ipc.stores.groups import Groups
from tests.ipc.conftest import MakeHub
from tests.ipc.durable import GROUP, NAME, SERVICE, GroupMember, Wound, all_acknowledged, eventually
from tests.ipc.members import Member

RETRY = {"ack_ms": 30_000, "backoff_ms": [1_000, 5_000]}


@pytest.fixture
def clock() -> Wound:
    return Wound()


@pytest.fixture
async def hub(make_hub: MakeHub, clock: Wound) -> Hub:
    """A hub whose deadlines and pauses go by the test's clock."""
    return await make_hub(clock=clock)


@pytest.fixture
def groups(redis_client: Redis) -> Groups:
    return Groups(redis_client)


async def letters(redis_client: Redis, group: str = GROUP) -> list[dict[str, str]]:
    rows: Any = await redis_client.xrange(keys.dead(SERVICE, group))
    return [{name.decode(): value.decode() for name, value in fields.items()} for _, fields in rows]


# Who gets an event


async def test_one_member_gets_each_event_across_two_hubs(make_hub: MakeHub, groups: Groups) -> None:
    """All events are handed out, each once, and members of both hubs get some."""
    members = [GroupMember(await make_hub()) for _ in range(2)]
    for member in members:
        await member.join(credit=5)
    emitter = Member(members[0].hub, "timeline")
    await emitter.emit_numbers(range(10), target="herald")
    for member in members:
        await member.ack(*await member.take(5))
    assert sorted(members[0].heard + members[1].heard) == list(range(10))
    await all_acknowledged(groups)


async def test_no_member_holds_more_than_its_credit(hub: Hub) -> None:
    """Each answer makes room for one more."""
    small, large = GroupMember(hub), GroupMember(hub)
    await small.join(credit=1)
    await large.join(credit=3)
    await small.emit_numbers(range(9))
    await large.take(3)
    await small.take(1)
    assert await small.is_well()
    assert await large.is_well()
    assert (len(small.peer.events), len(large.peer.events)) == (1, 3)
    await large.ack(large.peer.events[0])
    await large.next()
    assert await large.is_well()
    assert (len(small.peer.events), len(large.peer.events)) == (1, 4)


async def test_each_group_gets_every_event(hub: Hub) -> None:
    first, second = GroupMember(hub), GroupMember(hub)
    await first.join(group="one")
    await second.join(group="two")
    await first.emit(data=7)
    assert ((await first.next())["group"], (await second.next())["group"]) == ("one", "two")


async def test_what_no_pattern_matches_is_acknowledged_in_bulk(hub: Hub, groups: Groups) -> None:
    """Also with a credit of one, which does not make the group read them one by one."""
    await groups.create(SERVICE, NAME)
    member = GroupMember(hub)
    for number in range(40):
        await member.emit("other:thing", number, target="herald")
    await member.emit("post:created", "wanted", target="herald")
    await member.join("post:*", credit=1)
    event = await member.next()
    assert event["data"] == "wanted"
    await member.ack(event)
    await all_acknowledged(groups)


async def test_order_is_the_logs_with_a_credit_of_one(hub: Hub) -> None:
    member = GroupMember(hub)
    await member.join(credit=1)
    await member.emit_numbers(range(20))
    for _ in range(20):
        await member.ack(await member.next())
    assert member.heard == list(range(20))


async def test_what_comes_while_nobody_is_there_is_delivered_on_return(hub: Hub, make_hub: MakeHub) -> None:
    """To whichever hub the members return."""
    member = GroupMember(hub)
    await member.join()
    await member.say({"type": "unsubscribe", "id": "u", "events": [], "group": GROUP})
    await member.emit_numbers(range(3))
    assert member.heard == []
    returned = GroupMember(await make_hub())
    await returned.join()
    assert await returned.hears(3) == [0, 1, 2]


async def test_a_group_begins_where_since_says_and_otherwise_at_the_end(hub: Hub) -> None:
    member = GroupMember(hub)
    first, *_ = await member.emit_numbers(range(3), target="herald")
    ok = await member.join(group="later", since={SERVICE: first})
    assert ok["recovered"] is True
    assert [event["data"] for event in await member.take(2)] == [1, 2]
    await member.join(group="now")
    await member.emit(data=3, target="herald")
    assert {event["group"] for event in await member.take(2)} == {"later", "now"}


async def test_since_of_the_future_is_said_and_begins_at_the_end(hub: Hub) -> None:
    """A group that began in the future would get nothing until then."""
    member = GroupMember(hub)
    await member.emit(data=0, target="herald")
    ok = await member.join(since={SERVICE: "99999999999999-0"})
    assert (ok["recovered"], ok["reasons"]) == (False, {SERVICE: "unknown_position"})
    await member.emit(data=1, target="herald")
    assert (await member.next())["data"] == 1


async def test_since_before_what_was_trimmed_begins_with_what_is_left(hub: Hub, redis_client: Redis) -> None:
    member = GroupMember(hub)
    positions = await member.emit_numbers(range(3), target="herald")
    await redis_client.xtrim(keys.log(SERVICE), minid=positions[2], approximate=False)
    ok = await member.join(since={SERVICE: positions[0]})
    assert (ok["recovered"], ok["reasons"]) == (False, {SERVICE: "trimmed"})
    assert (await member.next())["data"] == 2


# Answers


async def test_a_nack_brings_the_event_again_after_the_pause_of_its_attempt(hub: Hub, clock: Wound) -> None:
    """The attempts are counted, and the pauses are those of the policy."""
    member = GroupMember(hub)
    await member.join(retry=RETRY)
    await member.emit(data=0)
    for attempt, pause_s in enumerate((1.0, 5.0), start=1):
        event = await member.next()
        assert event["attempt"] == attempt
        await member.nack(event)
        clock.forward(0.8 * pause_s - 0.01)
        assert await member.is_well()
        assert len(member.peer.events) == attempt
        clock.forward(0.4 * pause_s + 0.02)
    assert (await member.next())["attempt"] == 3


async def test_retry_in_ms_overrides_the_pause(hub: Hub, clock: Wound) -> None:
    member = GroupMember(hub)
    await member.join(retry=RETRY)
    await member.emit()
    await member.nack(await member.next(), retry_in_ms=60_000)
    clock.forward(59.9)
    assert await member.is_well()
    assert len(member.peer.events) == 1
    clock.forward(0.2)
    assert (await member.next())["attempt"] == 2


async def test_a_dead_letter_says_all_about_its_end(
    hub: Hub, clock: Wound, redis_client: Redis, groups: Groups
) -> None:
    """After the last attempt: the error, the traceback, the attempts, the times, the instance and the event itself."""
    member = GroupMember(hub)
    await member.join(retry={"backoff_ms": [1_000]})
    position = await member.emit("post:created", {"n": 1}, target="herald")
    first = await member.next()
    await member.nack(first, "first")
    clock.forward(2)
    await member.nack(await member.next(), "ValueError: last", traceback="line 1\nline 2")

    async def is_dead() -> bool:
        return len(await letters(redis_client)) == 1

    await eventually(is_dead)
    (letter,) = await letters(redis_client)
    assert (letter["log"], letter["position"], letter["event"]) == (SERVICE, position, "post:created")
    assert (letter["error"], letter["traceback"], letter["attempts"]) == ("ValueError: last", "line 1\nline 2", "2")
    assert letter["instance"] == member.session.instance
    assert int(letter["first_ms"]) <= int(letter["last_ms"])
    assert json.loads(letter["frame"] + "}")["data"] == {"n": 1}
    await all_acknowledged(groups)


async def test_a_rejected_event_is_dead_at_once(hub: Hub, redis_client: Redis, groups: Groups) -> None:
    member = GroupMember(hub)
    await member.join()
    await member.emit()
    await member.nack(await member.next(), "no such user", reject=True)
    await all_acknowledged(groups)
    assert [(letter["error"], letter["attempts"]) for letter in await letters(redis_client)] == [("no such user", "1")]


async def test_no_answer_in_time_is_a_failure(hub: Hub, clock: Wound) -> None:
    """A handler that hangs: its delivery is somebody else's then, so its late answer is refused."""
    member = GroupMember(hub)
    await member.join(retry={"ack_ms": 1_000, "backoff_ms": [0]})
    await member.emit()
    hung = await member.next()
    clock.forward(1.1)
    again = await member.next()
    assert again["attempt"] == 2
    await member.ack(hung)
    await member.peer.until(lambda: member.last["type"] == "error")
    assert (member.last["code"], member.last["details"]) == ("UNKNOWN_DELIVERY", {"deliveries": [hung["delivery"]]})
    assert hub.counters.deliveries_timed_out == 1


async def test_progress_gives_the_full_time_again(hub: Hub, clock: Wound) -> None:
    member = GroupMember(hub)
    await member.join(retry={"ack_ms": 1_000, "backoff_ms": [0]})
    await member.emit()
    event = await member.next()
    for _ in range(3):
        clock.forward(0.9)
        await member.say({"type": "progress", "deliveries": [event["delivery"]]})
    assert len(member.peer.events) == 1
    clock.forward(1.1)
    assert (await member.next())["attempt"] == 2


async def test_a_lost_member_passes_on_what_it_held(hub: Hub) -> None:
    """At once, in the order in which it was handed out."""
    lost, other = GroupMember(hub), GroupMember(hub)
    await lost.join(credit=3)
    await lost.emit_numbers(range(3))
    await lost.take(3)
    await other.join(credit=3)
    await hub.detach(lost.session)
    events = await other.take(3)
    assert [(event["data"], event["attempt"]) for event in events] == [(0, 2), (1, 2), (2, 2)]


async def test_a_member_that_leaves_may_answer_for_what_it_holds(hub: Hub, groups: Groups) -> None:
    """It gets nothing more, and nothing is delivered again."""
    member = GroupMember(hub)
    await member.join(credit=2)
    await member.emit_numbers(range(2))
    events = await member.take(2)
    await member.ask(type="unsubscribe", events=[], group=GROUP)
    await member.emit(data=2)
    await member.ack(*events)
    await all_acknowledged(groups)
    assert await member.is_well()
    assert member.heard == [0, 1]


async def test_what_waits_is_handed_to_a_member_that_joins(hub: Hub, clock: Wound) -> None:
    """Its hub has taken it for a member that left meanwhile, and takes no more before it is handed out."""
    first, second = GroupMember(hub), GroupMember(hub)
    await first.join(credit=1)
    await first.emit_numbers(range(2))
    await first.take(1)
    await hub.detach(first.session)
    await second.join(credit=1)
    await second.ack(await second.next())
    await second.ack(await second.next())
    assert sorted(second.heard) == [0, 1]


async def test_more_failures_than_may_wait_do_not_stop_a_group(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes nothing new then, but goes on with what waits."""
    monkeypatch.setattr("ipc.hub.schedule.MAX_WAITING", 2)
    member = GroupMember(hub)
    await member.join(credit=4)
    await member.emit_numbers(range(4))
    for event in await member.take(4):
        await member.nack(event, retry_in_ms=0)
    again = await member.take(4)
    assert [event["attempt"] for event in again] == [2, 2, 2, 2]


# Forgetting


async def test_a_forgotten_group_is_gone_with_what_was_pending(hub: Hub, groups: Groups) -> None:
    """Also what the one that asks for it holds; a group of the same name begins anew."""
    member = GroupMember(hub)
    await member.join(credit=1)
    await member.emit_numbers(range(2))
    await member.next()
    ok = await member.ask(type="unsubscribe", events=[], group=GROUP, forget=True)
    assert ok["type"] == "ok"
    assert [await groups.exists(log, NAME) for log in logs_of_group(SERVICE, GROUP)] == [False] * 3
    await member.join()
    await member.emit(data=2)
    assert (await member.next())["data"] == 2


@pytest.mark.parametrize("is_same_hub", [True, False])
async def test_a_group_with_other_members_is_not_forgotten(
    hub: Hub, make_hub: MakeHub, groups: Groups, is_same_hub: bool
) -> None:
    """Wherever they are; they go on."""
    other = GroupMember(hub if is_same_hub else await make_hub())
    member = GroupMember(hub)
    await other.join()
    await member.join(credit=1)
    await other.emit(data="first")

    async def is_served() -> bool:
        return len(await groups.served_by(SERVICE, GROUP)) == (1 if is_same_hub else 2)

    await eventually(is_served)
    refused = await member.ask(type="unsubscribe", events=[], group=GROUP, forget=True)
    assert (refused["type"], refused["code"]) == ("error", "INVALID_MESSAGE")
    assert "other members" in refused["message"]
    assert await groups.exists(SERVICE, NAME)


async def test_a_group_that_nobody_uses_takes_no_memory(hub: Hub) -> None:
    member = GroupMember(hub)
    for number in range(20):
        await member.join(group=f"group-{number}")
        await member.ask(type="unsubscribe", events=[], group=f"group-{number}")

    async def is_empty() -> bool:
        return not hub.deliveries._groups and not hub.deliveries._at_work

    await eventually(is_empty)
    feed = await hub.logs.follow(SERVICE)
    assert feed.watchers == {}


# Once


async def test_with_once_a_repeated_event_is_spared(hub: Hub, redis_client: Redis, groups: Groups) -> None:
    """The emitter's id is remembered for a day, longer than the log drops repeats; another service's id is its own."""
    member = GroupMember(hub)
    await member.join(once=True)
    emitters = [Member(hub, "timeline"), Member(hub, "timeline"), Member(hub, "spark")]
    for number, emitter in enumerate(emitters):
        await emitter.emit(data=number, id="same", target="herald")
        async for remembered in redis_client.scan_iter(match=f"{keys.seen_prefix(SERVICE)}*"):
            await redis_client.delete(remembered)
        if number != 1:
            await member.ack(await member.next())
        await all_acknowledged(groups)
    assert member.heard == [0, 2]
    assert hub.counters.deliveries_spared == 1
    assert 86_000 < await redis_client.ttl(keys.handled(NAME, "exprsn-timeline/same")) <= 86_400


async def test_with_once_a_failed_event_comes_again(hub: Hub) -> None:
    member = GroupMember(hub)
    await member.join(once=True)
    await member.emit(id="same")
    await member.nack(await member.next(), retry_in_ms=0)
    assert (await member.next())["attempt"] == 2


async def test_without_once_nothing_is_remembered(hub: Hub, redis_client: Redis, groups: Groups) -> None:
    member = GroupMember(hub)
    await member.join()
    await member.emit(id="same")
    await member.ack(await member.next())
    await all_acknowledged(groups)
    assert [key async for key in redis_client.scan_iter("ipc:done:*")] == []
