"""Dead letters and the groups of a hub: what is redriven is handled again by its group, and by nobody else."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from ipc.hub import group_task
from ipc.hub.hub import Hub
from ipc.stores import keys
from ipc.stores.dead_letter_filter import DeadLetterFilter
from ipc.stores.dead_letters import DeadLetters
from tests.ipc.conftest import MakeHub
from tests.ipc.members import Member

EVERYTHING = DeadLetterFilter()


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups look into their own logs often."""
    monkeypatch.setattr(group_task, "TEND_S", 0.05)


@pytest.fixture
async def hub(make_hub: MakeHub) -> AsyncIterator[Hub]:
    """A hub whose sessions have left before it is stopped, so that it waits for no answers."""
    hub = await make_hub()
    yield hub
    for session in list(hub.sessions.values()):
        await hub.detach(session)


async def reject_next(member: Member, reason: str = "no") -> None:
    """Answer the latest delivery with a final no, and wait until it is a dead letter."""
    await member.say(
        {"type": "nack", "deliveries": [member.peer.events[-1]["delivery"]], "reason": reason, "reject": True}
    )


async def dead(letters: DeadLetters, member: Member, count: int) -> None:
    """Wait until so many letters are dead; each look is a round trip through the hub."""
    while len((await letters.find(EVERYTHING, limit=100)).letters) != count:
        assert await member.is_well()


async def test_a_hub_looks_for_what_is_redriven_without_tending_its_groups(
    hub: Hub, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_task, "TEND_S", 3600.0)
    letters, notify = DeadLetters(redis_client), Member(hub)
    await notify.subscribe("post:*", group="notify")
    await notify.emit(data={"n": 1}, id="e1")
    await notify.hears(1)
    await reject_next(notify)
    await dead(letters, notify, 1)
    (buried,) = (await letters.find(EVERYTHING, limit=1)).letters
    await letters.redrive([buried.id])
    assert await notify.hears(2) == [{"n": 1}, {"n": 1}]


async def test_only_its_own_group_gets_a_redriven_event_again_as_a_first_attempt(hub: Hub, redis_client: Redis) -> None:
    letters = DeadLetters(redis_client)
    notify, audit, live = Member(hub), Member(hub), Member(hub)
    await notify.subscribe("post:*", group="notify")
    await audit.subscribe("post:*", group="audit")
    await live.subscribe("post:*")
    await live.emit(data={"n": 1}, id="e1")
    await notify.hears(1)
    await reject_next(notify, "cannot be sent")
    await dead(letters, notify, 1)
    (buried,) = (await letters.find(EVERYTHING, limit=1)).letters
    assert (buried.id.service, buried.id.group, buried.letter.error) == ("exprsn-herald", "notify", "cannot be sent")
    await letters.redrive([buried.id])
    assert await notify.hears(2) == [{"n": 1}, {"n": 1}]
    first, second = notify.peer.events
    assert (second["id"], second["source"], second["ts"]) == (first["id"], first["source"], first["ts"])
    assert (second["attempt"], second["group"], second["log"]) == (1, "notify", "exprsn-herald/notify")
    await live.emit(data="last")
    assert await live.hears(2) == await audit.hears(2) == [{"n": 1}, "last"]


async def test_a_redriven_event_that_is_acknowledged_leaves_nothing(hub: Hub, redis_client: Redis) -> None:
    letters = DeadLetters(redis_client)
    member = Member(hub)
    await member.subscribe("post:*", group="notify")
    await member.emit()
    await member.hears(1)
    await reject_next(member)
    await dead(letters, member, 1)
    await letters.redrive([buried.id for buried in (await letters.find(EVERYTHING, limit=1)).letters])
    await member.hears(2)
    await member.say({"type": "ack", "deliveries": [member.peer.events[-1]["delivery"]]})
    while await redis_client.xlen(keys.log("exprsn-herald/notify")):
        assert await member.is_well()
    await dead(letters, member, 0)


async def test_a_redriven_event_waits_for_a_member(hub: Hub, redis_client: Redis) -> None:
    letters = DeadLetters(redis_client)
    member = Member(hub)
    await member.subscribe("post:*", group="notify")
    await member.emit(data="late")
    await member.hears(1)
    await reject_next(member)
    await dead(letters, member, 1)
    await hub.detach(member.session)
    await letters.redrive([buried.id for buried in (await letters.find(EVERYTHING, limit=1)).letters])
    returned = Member(hub)
    await returned.subscribe("post:*", group="notify")
    assert await returned.hears(1) == ["late"]


async def test_a_redriven_event_can_die_again(hub: Hub, redis_client: Redis) -> None:
    letters = DeadLetters(redis_client)
    member = Member(hub)
    await member.subscribe("post:*", group="notify")
    await member.emit()
    await member.hears(1)
    await reject_next(member, "once")
    await dead(letters, member, 1)
    await letters.redrive([buried.id for buried in (await letters.find(EVERYTHING, limit=1)).letters])
    await member.hears(2)
    await reject_next(member, "twice")
    await dead(letters, member, 1)
    (buried,) = (await letters.find(EVERYTHING, limit=1)).letters
    assert (buried.letter.error, buried.letter.attempts) == ("twice", 1)


async def test_a_group_that_is_forgotten_takes_what_was_redriven_with_it(hub: Hub, redis_client: Redis) -> None:
    member = Member(hub)
    await member.subscribe("post:*", group="notify")
    assert await redis_client.exists(keys.log("exprsn-herald/notify"))
    ok = await member.ask(type="unsubscribe", events=[], group="notify", forget=True)
    assert ok["type"] == "ok"
    assert not await redis_client.exists(keys.log("exprsn-herald/notify"))
