"""What operators do with dead letters is done, and is in the audit trail: who, to which group, and why."""

from redis.asyncio import Redis

from ipc.django_app.dead_letter_acts import NAMED, discard, redrive
from ipc.protocol.routing import own_log
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import AuditEntry, AuditFilter
from ipc.stores.connection import connect
from ipc.stores.dead_letter_filter import DeadLetterFilter, LetterId
from ipc.stores.dead_letters import DeadLetters
from ipc.stores.groups import Groups
from tests.ipc.stores.test_dead_letters import letter


async def buried(redis: Redis, service: str, group: str, count: int = 1) -> list[LetterId]:
    for number in range(count):
        await DeadLetters(redis).bury(service, group, letter(f"{group}{number}"))
    found = await DeadLetters(redis).find(DeadLetterFilter.of(service=service, group=group), limit=1_000)
    return [each.id for each in found.letters]


async def trail(redis: Redis) -> list[AuditEntry]:
    return (await Audit(redis).read(AuditFilter())).entries[::-1]


async def test_each_group_that_is_redriven_has_its_entry(redis_url: str) -> None:
    async with connect(redis_url) as redis:
        for group in ("notify", "push"):
            await Groups(redis).create(own_log("exprsn-herald", group), f"exprsn-herald/{group}", after="0-0")
        letters = [*await buried(redis, "exprsn-herald", "push"), *await buried(redis, "exprsn-herald", "notify", 2)]
        orphans = await buried(redis, "exprsn-spark", "gone")
        done = await redrive(redis, [*letters, *orphans], by="operator 7")
        assert (sorted(done.moved), done.orphans) == (sorted(letters), orphans)
        notify, push = await trail(redis)
        assert (notify.action, notify.by, notify.subject) == (
            "deadletters.redrive",
            "operator 7",
            "exprsn-herald/notify",
        )
        assert notify.details == {"count": 2, "positions": [each.position for each in letters[1:]]}
        assert (push.subject, push.details["count"]) == ("exprsn-herald/push", 1)


async def test_what_is_discarded_is_counted_and_named_as_far_as_there_is_room(redis_url: str) -> None:
    async with connect(redis_url) as redis:
        letters = await buried(redis, "exprsn-herald", "notify", NAMED + 1)
        assert len(await discard(redis, letters, by="manage.py by ann", reason="spam")) == NAMED + 1
        (entry,) = await trail(redis)
        assert (entry.action, entry.by) == ("deadletters.discard", "manage.py by ann")
        assert (entry.details["reason"], entry.details["count"], len(entry.details["positions"])) == ("spam", 51, NAMED)


async def test_what_was_not_done_is_not_in_the_trail(redis_url: str) -> None:
    async with connect(redis_url) as redis:
        letters = await buried(redis, "exprsn-herald", "notify")
        assert await redrive(redis, [], by="ann") == ([], [])
        assert (await redrive(redis, letters, by="ann")).moved == []
        await discard(redis, letters, by="ann", reason="a test")
        assert await discard(redis, letters, by="bob", reason="a test") == []
        assert [entry.by for entry in await trail(redis)] == ["ann"]
