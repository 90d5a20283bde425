"""One group in detail: consumers and pending events, in pages, with what hubs have noted."""

from redis.asyncio import Redis

from ipc.protocol.delivery_status import Note
from ipc.protocol.routing import own_log
from ipc.stores import keys
from ipc.stores.eventlog import EventLog, NewEvent
from ipc.stores.group_details import group_details, pending_entries
from ipc.stores.groups import Groups
from ipc.stores.ledger import Ledger

HERALD, NOTIFY, NAME = "exprsn-herald", "notify", "exprsn-herald/notify"
OWN = own_log(HERALD, NOTIFY)


def new(number: int) -> NewEvent:
    frame = (
        f'{{"type":"event","id":"e{number}","event":"post:created","source":"exprsn-spark","target":"broadcast","ts":1'
    )
    return NewEvent("", "post:created", frame)


async def test_parts_consumers_and_what_is_wanted(redis_client: Redis) -> None:
    groups = Groups(redis_client)
    for log in ("broadcast", HERALD, OWN):
        await groups.create(log, NAME, after="0-0")
    await groups.create("broadcast", "exprsn-herald/other", after="0-0")
    await Ledger(redis_client).define(NAME, ["post:*"], 6, where='{"$eq":[1,1]}')
    await EventLog(redis_client).append("broadcast", [new(number) for number in range(5)])
    await groups.serving(HERALD, NOTIFY, "hub-1")
    await groups.exchange(NAME, "hub-1", acks={}, logs=["broadcast"], count=2)
    await groups.exchange(NAME, "hub-2", acks={}, logs=["broadcast"], count=1)
    await redis_client.xadd(keys.log(OWN), {"e": "post:created", "f": "{"})
    details = await group_details(redis_client, HERALD, NOTIFY)
    assert [(part.log, part.pending, part.lag) for part in details.parts] == [
        ("broadcast", 3, 2), (HERALD, 0, 0), (OWN, 0, 1),
    ]  # fmt: skip
    consumers = {each.hub: (each.pending, each.is_serving) for each in details.parts[0].consumers}
    assert consumers == {"hub-1": (2, True), "hub-2": (1, False)}
    assert details.definition is not None
    assert (details.definition.events, details.definition.where) == (("post:*",), '{"$eq":[1,1]}')


async def test_pending_events_come_in_pages_with_notes(redis_client: Redis) -> None:
    groups = Groups(redis_client)
    await groups.create("broadcast", NAME, after="0-0")
    positions = (await EventLog(redis_client).append("broadcast", [new(number) for number in range(5)])).positions
    await groups.exchange(NAME, "hub-1", acks={}, logs=["broadcast"], count=4)
    note = Note(hub="hub-1", attempt=1, max_attempts=6, instance="i", since_ms=1, next_ms=2, error="no <b>address</b>")
    await Ledger(redis_client).note(NAME, {f"broadcast {positions[1]}": note})
    await redis_client.xdel(keys.log("broadcast"), positions[3])
    first = await pending_entries(redis_client, HERALD, NOTIFY, "broadcast", count=3)
    assert [each.position for each in first] == positions[:3]
    assert [each.head.id if each.head else None for each in first] == ["e0", "e1", "e2"]
    assert [each.note for each in first] == [None, note, None]
    assert {(each.hub, each.attempts) for each in first} == {("hub-1", 1)}
    rest = await pending_entries(redis_client, HERALD, NOTIFY, "broadcast", count=3, after=positions[2])
    assert [(each.position, each.head) for each in rest] == [(positions[3], None)]


async def test_a_group_that_is_none_has_nothing(redis_client: Redis) -> None:
    details = await group_details(redis_client, HERALD, NOTIFY)
    assert (details.parts, details.definition) == ([], None)
    assert await pending_entries(redis_client, HERALD, NOTIFY, "broadcast", count=3) == []
