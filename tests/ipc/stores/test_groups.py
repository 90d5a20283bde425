"""Groups as Redis keeps them: its clock, its keys, and what strangers put into a log; the rest is in the contract."""

from redis.asyncio import Redis

from ipc.stores import keys
from ipc.stores.groups import REMEMBER_HANDLED_S, Groups
from tests.ipc.durable import GROUP, NAME, SERVICE, eventually


async def test_a_hub_serves_until_its_word_has_run_out(redis_client: Redis) -> None:
    """By the clock of Redis; it is then told that it was away."""
    groups = Groups(redis_client, serving_ttl_s=0.05)
    assert not (await groups.serving(SERVICE, GROUP, "h1")).was_known

    async def has_run_out() -> bool:
        return not (await groups.serving(SERVICE, GROUP, "h2")).hubs - {"h2"}

    await eventually(has_run_out)
    assert not (await groups.serving(SERVICE, GROUP, "h1")).was_known


async def test_what_was_handled_is_remembered_for_a_day(redis_client: Redis) -> None:
    """In the slot of its service."""
    await Groups(redis_client).exchange(NAME, "h1", acks={}, logs=[], count=1, handled=["exprsn-timeline/e1"])
    key = "ipc:done:{exprsn-herald}:notify:exprsn-timeline/e1"
    assert REMEMBER_HANDLED_S - 60 < await redis_client.ttl(key) <= REMEMBER_HANDLED_S


async def test_an_entry_that_is_no_event_has_no_frame(redis_client: Redis) -> None:
    groups = Groups(redis_client)
    await groups.create(SERVICE, NAME)
    await redis_client.xadd(keys.log(SERVICE), {"who": "knows"})
    ((_, entry),) = await groups.exchange(NAME, "h1", acks={}, logs=[SERVICE], count=1)
    assert (entry.event, entry.frame) == ("", "")
