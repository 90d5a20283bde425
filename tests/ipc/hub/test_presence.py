"""A hub's sessions in the registry: written when they come, renewed, and taken out when they leave."""

import asyncio
import os

from exprsn.embedded import EmbeddedValkey
from ipc.hub.hub import Hub
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
