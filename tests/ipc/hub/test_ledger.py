"""The ledger through the protocol: who may ask, what is refused, and what deaths, redrives and caps leave known."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from ipc.hub import ledger as ledger_module
from ipc.hub.hub import Hub
from ipc.protocol.errors import DeadlineError
from ipc.stores import keys
from ipc.stores.dead_letter_filter import DeadLetterFilter, LetterId
from ipc.stores.dead_letters import DeadLetters
from tests.ipc.conftest import MakeHub
from tests.ipc.durable import GROUP, NAME, SERVICE, GroupMember
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S, Message


@pytest.fixture
async def timeline(make_hub: MakeHub) -> Member:
    """Who emits and asks, at a hub of its own."""
    return Member(await make_hub(), "timeline")


async def status(member: Member, event: str, **members: Any) -> Message:
    ok = await member.ask(type="status", event=event, **members)
    assert ok["type"] == "ok", ok
    found: Message = ok["status"]
    return found


async def refused(member: Member, **members: Any) -> str:
    answer = await member.ask(type="status", **members)
    assert answer["type"] == "error", answer
    return str(answer["code"])


async def until(ask: Callable[[], Awaitable[Message]], condition: Callable[[Message], bool]) -> Message:
    """Ask until the one group of an event is as expected."""
    async with asyncio.timeout(GUARD_S):
        while True:
            groups = (await ask())["groups"]
            if groups and condition(groups[0]):
                return dict(groups[0])


async def state(member: Member, event: str, wanted: str, **members: Any) -> Message:
    return await until(lambda: status(member, event, **members), lambda group: group["state"] == wanted)


# Who may ask


async def test_a_service_may_ask_for_what_it_has_emitted(hub: Hub, timeline: Member) -> None:
    await timeline.emit(id="e1")
    own = Member(hub, "timeline", permissions=["subscribe:*"])
    assert (await status(own, "e1"))["source"] == "exprsn-timeline"
    assert (await status(own, "e1", source="timeline"))["source"] == "exprsn-timeline"


async def test_a_service_may_not_ask_for_what_others_have_emitted(hub: Hub, timeline: Member) -> None:
    """Nor learn whether there is such an event."""
    position = await timeline.emit(id="e1")
    stranger = Member(hub, "spark", permissions=["subscribe:*"])
    assert await refused(stranger, event="e1", source="timeline") == "FORBIDDEN"
    assert await refused(stranger, event="e1") == "EVENT_NOT_FOUND"
    assert await refused(stranger, event="e1", log="broadcast", position=position) == "EVENT_NOT_FOUND"
    assert await refused(stranger, event="nothing", source="timeline") == "FORBIDDEN"


async def test_with_all_permissions_one_may_ask_for_everything(hub: Hub, timeline: Member) -> None:
    await timeline.emit(id="e1")
    assert (await status(Member(hub, "spark"), "e1"))["source"] == "exprsn-timeline"


# What is refused


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({}, "INVALID_MESSAGE"),
        ({"event": ""}, "INVALID_MESSAGE"),
        ({"event": 7}, "INVALID_MESSAGE"),
        ({"event": "x" * 65}, "INVALID_MESSAGE"),
        ({"event": ["e1"]}, "INVALID_MESSAGE"),
        ({"event": "e1", "log": 1}, "INVALID_MESSAGE"),
        ({"event": "e1", "log": "broadcast"}, "INVALID_MESSAGE"),
        ({"event": "e1", "log": "broadcast", "position": "-"}, "INVALID_POSITION"),
        ({"event": "e1", "log": "broadcast", "position": "99999999999999-0"}, "EVENT_NOT_FOUND"),
        ({"event": "e1", "log": "{broadcast}", "position": "1-0"}, "UNKNOWN_SERVICE"),
        ({"event": "e1", "source": "nobody"}, "UNKNOWN_SERVICE"),
        ({"event": "x" * 64}, "EVENT_NOT_FOUND"),
    ],
)
async def test_a_question_that_is_wrong_is_refused(timeline: Member, members: dict[str, Any], code: str) -> None:
    assert await refused(timeline, **members) == code
    assert await timeline.is_well()


async def test_questions_that_take_too_long_are_given_up(timeline: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "ANSWER_S", 0.0)
    with pytest.raises(DeadlineError, match="e1"):
        await timeline.hub.ledger.status("e1")
    assert await refused(timeline, event="e1") == "TIMEOUT"


async def test_many_questions_at_once_are_all_answered(timeline: Member) -> None:
    """Four at a time."""
    await timeline.emit(id="e1")
    asked = [timeline.hub.ledger.status("e1") for _ in range(20)]
    assert {found.id for found in await asyncio.gather(*asked)} == {"e1"}


# What is known in the end


async def test_a_letter_that_was_redriven_is_followed(hub: Hub, timeline: Member, redis_client: Redis) -> None:
    """Through two redrives: handed out again, dead again, done at last."""
    member = GroupMember(hub)
    await member.join()
    position = await timeline.emit(id="e1")
    letters = DeadLetters(redis_client)
    for redriven in range(2):
        await member.nack(await member.next(), reason="no", reject=True)
        dead = await state(timeline, "e1", "dead")
        assert (dead["error"], dead.get("redriven", 0)) == ("no", redriven)
        moved = await letters.redrive([LetterId.of(dead["dead_letter"])])
        assert moved
        hub.deliveries._groups[SERVICE, GROUP].look_everywhere()
        again = await state(timeline, "e1", "delivered")
        assert (again["log"], again["attempt"], again["redriven"]) == (NAME, 1, redriven + 1)
    event = await member.next()
    await member.ack(event)
    done = await state(timeline, "e1", "acked")
    assert (done["log"], done["redriven"], done["instance"]) == (NAME, 2, member.session.instance)
    at_home = await status(timeline, "e1", log="broadcast", position=position)
    assert at_home["groups"] == (await status(timeline, "e1"))["groups"]


async def test_a_letter_that_was_discarded_says_by_whom(hub: Hub, timeline: Member, redis_client: Redis) -> None:
    member = GroupMember(hub)
    await member.join()
    await timeline.emit(id="e1")
    await member.nack(await member.next(), reject=True)
    dead = await state(timeline, "e1", "dead")
    await DeadLetters(redis_client).discard([LetterId.of(dead["dead_letter"])], by="ann", reason="spam")
    gone = (await status(timeline, "e1"))["groups"][0]
    assert (gone["state"], gone["discarded_by"], gone["reason"]) == ("dead", "ann", "discarded: spam")
    assert gone["dead_letter"] == dead["dead_letter"]


async def test_a_group_that_was_forgotten_is_named_only_with_its_letters(
    hub: Hub, timeline: Member, redis_client: Redis
) -> None:
    member = GroupMember(hub)
    await member.join()
    for event in ("dead", "done"):
        await timeline.emit(id=event)
    dead, done = await member.take(2)
    await member.ack(done)
    await member.nack(dead, reject=True)
    await state(timeline, "dead", "dead")
    await state(timeline, "done", "acked")
    await member.ask(type="unsubscribe", events=[], group=GROUP, forget=True)
    assert (await status(timeline, "done"))["groups"] == []
    (left,) = (await status(timeline, "dead"))["groups"]
    assert (left["state"], left["forgotten"], left["offline"]) == ("dead", True, True)
    assert await redis_client.exists(keys.ledger(NAME), keys.notes(NAME), keys.group_definition(SERVICE, GROUP)) == 0


async def test_what_a_dead_hub_had_is_known_and_not_by_whom(
    make_hub: MakeHub, timeline: Member, redis_client: Redis
) -> None:
    member = GroupMember(await make_hub())
    await member.join()
    await timeline.emit(id="e1")
    await member.next()
    # What is left of a hub that was killed, when its word has run out.
    await redis_client.delete(keys.serving(SERVICE, GROUP))
    group = (await status(timeline, "e1"))["groups"][0]
    assert (group["state"], group["offline"], group["hub"]) == ("delivered", True, member.hub.id)
    assert "another one takes it over" in group["reason"]


async def test_what_the_record_does_not_reach_is_unknown(hub: Hub, timeline: Member, redis_client: Redis) -> None:
    """Once with an older part that was capped, once with none at all."""
    member = GroupMember(hub)
    await member.join()
    for event in ("e1", "e2"):
        await timeline.emit(id=event)
        await member.ack(await member.next())
        await state(timeline, event, "acked")
    entries: Any = await redis_client.xrange(keys.ledger(NAME))
    first_ms = int(entries[0][0].split(b"-")[0])
    await redis_client.xtrim(keys.ledger(NAME), minid=str(first_ms + 1), approximate=False)
    group = (await status(timeline, "e1"))["groups"][0]
    assert (group["state"], group["reason"]) == (
        "unknown", "the group is done with it, but the record of how does not reach back so far",
    )  # fmt: skip
    assert (await status(timeline, "e2"))["groups"][0]["state"] == "acked"


async def test_what_was_trimmed_unread_is_lost(make_hub: MakeHub, timeline: Member, redis_client: Redis) -> None:
    """It is found by its position, or as long as its id is remembered."""
    member = GroupMember(await make_hub())
    await member.join()
    await member.hub.detach(member.session)
    position = await timeline.emit(id="e1")
    await redis_client.xtrim(keys.log("broadcast"), maxlen=0, approximate=False)
    for found in (
        await status(timeline, "e1"),
        await status(timeline, "e1", log="broadcast", position=position),
    ):
        assert (found["event"], found["logs"]) == (
            None, [{"log": "broadcast", "position": position, "in_log": False}],
        )  # fmt: skip
        assert found["groups"][0]["state"] == "lost"


async def test_a_member_that_left_had_failed(hub: Hub, timeline: Member) -> None:
    """With the only one gone the hub lets go of the group, and says so."""
    member = GroupMember(hub)
    await member.join()
    await timeline.emit(id="e1")
    await member.next()
    await hub.detach(member.session)
    group = await until(lambda: status(timeline, "e1"), lambda group: group["offline"])
    assert group["state"] in {"delivered", "retrying"}
    heir = GroupMember(hub)
    await heir.join()
    await heir.ack(await heir.next())
    done = await state(timeline, "e1", "acked")
    assert (done["attempt"], done["instance"]) == (2, heir.session.instance)


async def test_groups_of_several_targets_are_all_told(hub: Hub, timeline: Member) -> None:
    herald, spark = GroupMember(hub), GroupMember(hub, "spark")
    for member in (herald, spark):
        await member.join()
    await timeline.emit(id="e1", target=["herald", "spark"])
    await herald.ack(await herald.next())
    await spark.next()

    async def states() -> dict[str, str]:
        return {group["service"]: group["state"] for group in (await status(timeline, "e1"))["groups"]}

    async with asyncio.timeout(GUARD_S):
        while await states() != {"exprsn-herald": "acked", "exprsn-spark": "delivered"}:
            pass


async def test_nothing_is_noted_of_what_goes_well(hub: Hub, timeline: Member, redis_client: Redis) -> None:
    """One entry for each exchange, no note; the letters of a group without one are none."""
    member = GroupMember(hub)
    await member.join()
    for event in range(5):
        await timeline.emit(id=f"e{event}")
    await member.ack(*await member.take(5))
    await state(timeline, "e4", "acked")
    assert await redis_client.exists(keys.notes(NAME)) == 0
    assert 1 <= await redis_client.xlen(keys.ledger(NAME)) <= 5
    assert not (await DeadLetters(redis_client).find(DeadLetterFilter(), limit=1)).letters
