"""A hub's sessions in the registry: written when they come, renewed, and taken out when they leave."""

import asyncio
import os
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from exprsn.embedded import EmbeddedValkey
from ipc.hub import presence
from ipc.hub.hub import Hub
from ipc.protocol.discovery import MAX_EMITS, Change, Hearing
from ipc.stores import keys
from ipc.stores.registration_size import fitting
from tests.contracts.test_registry import registration
from tests.ipc.conftest import MakeHub
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S


async def written(hub: Hub) -> None:
    async with asyncio.timeout(GUARD_S):
        await hub._presence.flushed()


async def test_a_session_is_in_the_registry_while_it_is_here(hub: Hub) -> None:
    herald, spark = Member(hub, "herald"), Member(hub, "spark")
    await written(hub)
    found = {entry.session: entry for entry in await hub.registry.list()}
    assert found.keys() == {herald.session.id, spark.session.id}
    entry = found[herald.session.id]
    assert (entry.instance, entry.service, entry.hub) == (herald.session.instance, "exprsn-herald", hub.id)
    assert (entry.door, entry.pid, entry.hostname) == ("test", 4711, "host")
    assert entry.registered_ms == herald.session.registered_ms <= entry.last_seen_ms
    await hub.detach(herald.session)
    await written(hub)
    assert [entry.session for entry in await hub.registry.list()] == [spark.session.id]


async def test_a_session_that_goes_at_once_leaves_nothing_behind(hub: Hub) -> None:
    """Its goodbye never overtakes its hello."""
    for _ in range(50):
        await hub.detach(Member(hub).session)
    await written(hub)
    assert await hub.registry.list() == []


async def test_a_session_that_goes_while_it_is_written_leaves_nothing_behind(hub: Hub) -> None:
    """It is taken out by the next batch."""
    put, is_writing, go_on = hub.registry.put, asyncio.Event(), asyncio.Event()

    async def slowly(*args: Any, **options: Any) -> Any:
        is_writing.set()
        await go_on.wait()
        return await put(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub.registry, "put", slowly)
        member = Member(hub)
        await is_writing.wait()
        await hub.detach(member.session)
        go_on.set()
        await written(hub)
    assert await hub.registry.list() == []


async def test_a_renewal_says_when_a_session_was_last_active(hub: Hub) -> None:
    member = Member(hub)
    await written(hub)
    member.session.last_activity_ms += 5_000
    await hub._renew_presence()
    await written(hub)
    (entry,) = await hub.registry.list()
    assert entry.last_activity_ms == member.session.last_activity_ms


async def test_after_a_stop_nobody_is_left(make_hub: MakeHub) -> None:
    hub, other = await make_hub(), await make_hub()
    for _ in range(5):
        Member(hub)
    stays = Member(other)
    await written(hub)
    await written(other)
    await hub.stop()
    assert [entry.session for entry in await other.registry.list()] == [stays.session.id]


async def test_without_redis_it_is_counted_and_written_later(make_hub: MakeHub, own_valkey: EmbeddedValkey) -> None:
    hub = await make_hub(own_valkey.url)
    own_valkey.kill()
    member = Member(hub)
    await written(hub)
    assert hub.counters.registrations_failed == 1
    await asyncio.to_thread(own_valkey.start)
    await hub._renew_presence()
    await written(hub)
    assert [entry.session for entry in await hub.registry.list()] == [member.session.id]
    assert os.getpid() != 4711


async def test_after_redis_has_lost_everything_all_is_said_again(make_hub: MakeHub, redis_client: Redis) -> None:
    """Who is here, and what it serves; nothing has happened to the service, so that is no change."""
    hub = await make_hub(announces=True)
    member, watcher = Member(hub, "herald"), Member(hub, "pulse")
    await member.ask(type="serve", resources=[{"name": "letters", "ops": ["read"]}])
    await watcher.subscribe("service:*")
    await hub._look_round()
    await redis_client.flushall()
    assert await hub.registry.list() == []
    await hub._look_round()
    assert {entry.session for entry in await hub.registry.list()} == {member.session.id, watcher.session.id}
    (entry,) = [entry for entry in await hub.registry.list() if entry.session == member.session.id]
    assert [resource.name for resource in entry.resources] == ["letters"]
    assert (await watcher.subscribe("reply:*"))["type"] == "ok"
    # Before the caller comes, of which the log tells: that one is new, and sends away who was at the end of the old.
    assert await watcher.is_well()
    caller = Member(hub, "spark")
    await caller.say({"type": "call", "id": "c1", "op": "read", "resource": "letters"})
    await member.peer.until(lambda: any(message["type"] == "call" for message in member.peer.messages))
    assert await redis_client.zcard(keys.changes("exprsn-herald")) == 0
    again = [event["data"] for event in watcher.peer.events if event["data"]["service"] == "exprsn-herald"]
    assert len(again) <= 1, "the first coming may be heard, and no second"


async def test_a_hub_that_does_not_reach_redis_lets_nobody_expire(
    make_hub: MakeHub, own_valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others could not renew what they have written either; they are given the time for it."""
    hub = await make_hub(own_valkey.url)
    monkeypatch.setattr(presence, "STEADY_S", -1.0)
    swept: list[bool] = []
    sweep = hub.registry.sweep

    async def sweep_and_tell(*, expires: bool) -> list[Change]:
        swept.append(expires)
        return await sweep(expires=expires)

    monkeypatch.setattr(hub.registry, "sweep", sweep_and_tell)
    await hub._look_round()
    monkeypatch.setattr(presence, "STEADY_S", 25.0)
    own_valkey.kill()
    await hub._look_round()
    await asyncio.to_thread(own_valkey.start)
    await hub._look_round()
    assert swept == [True, False]


async def test_the_names_of_events_are_bounded(hub: Hub) -> None:
    """And a session that emits many is still heard."""
    member = Member(hub)
    for number in range(MAX_EMITS + 20):
        await member.emit(f"post:n{number}")
    await written(hub)
    (entry,) = await hub.registry.list()
    assert len(entry.emits) == MAX_EMITS


async def test_an_entry_that_would_be_too_large_is_written_without_its_conditions(hub: Hub) -> None:
    """And says so."""
    large = Hearing(events=("post:*",), where={"$eq": [{"$var": "data"}, "x" * 200_000]})
    plain = Hearing(events=("user:*",))
    entry = fitting(replace(registration(), hears=(large, plain)))
    assert entry.hears == (Hearing(events=("post:*",), is_cut=True), plain)
    small = replace(registration(), hears=(replace_where(large, True), plain))
    assert fitting(small) is small


def replace_where(hearing: Hearing, where: object) -> Hearing:
    return msgspec.structs.replace(hearing, where=where)
