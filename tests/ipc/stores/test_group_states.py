"""How groups are doing, as Redis knows it."""

from redis.asyncio import Redis

from ipc.protocol.routing import own_log
from ipc.stores import keys
from ipc.stores.dead_letter_filter import DeadLetterFilter, LetterId
from ipc.stores.dead_letters import DeadLetters
from ipc.stores.eventlog import EventLog, NewEvent
from ipc.stores.group_states import GroupState, GroupStates
from ipc.stores.groups import Groups
from ipc.stores.retention import Retention
from tests.ipc.stores.test_dead_letters import letter

HERALD, NAME = "exprsn-herald", "exprsn-herald/notify"
LOGS = ("broadcast", HERALD, own_log(HERALD, "notify"))


async def dead_ids(letters: DeadLetters) -> list[LetterId]:
    return [buried.id for buried in (await letters.find(DeadLetterFilter(), limit=100)).letters]


async def test_nothing_is_there_without_groups(redis_client: Redis) -> None:
    assert await GroupStates(redis_client).list() == []


async def test_a_group_is_the_sum_of_its_logs(redis_client: Redis) -> None:
    """Two of five and one of three are pending, two were lost, one is redriven and not read, and one is dead."""
    log, groups, letters = EventLog(redis_client), Groups(redis_client), DeadLetters(redis_client)
    for name in LOGS:
        await groups.create(name, NAME, after="0-0")
    await groups.create("broadcast", "exprsn-spark/push", after="0-0")
    await log.append("broadcast", [NewEvent("", "post:created", "{")] * 5)
    await log.append(HERALD, [NewEvent("", "post:created", "{")] * 3)
    await groups.exchange(NAME, "hub", acks={}, logs=["broadcast"], count=2)
    await groups.exchange(NAME, "hub", acks={}, logs=[HERALD], count=1)
    await groups.serving(HERALD, "notify", "hub")
    await letters.bury(HERALD, "notify", letter(position="1-0"))
    await letters.bury(HERALD, "notify", letter(position="2-0"))
    await letters.redrive((await dead_ids(letters))[:1])
    await Retention(redis_client).count_lost(LOGS[:2])
    await redis_client.xtrim(keys.log("broadcast"), maxlen=3, approximate=False)
    await Retention(redis_client).count_lost(LOGS[:2])
    notify, push = await GroupStates(redis_client).list()
    assert notify.oldest_pending_ms is not None
    assert 0 <= notify.oldest_pending_ms < 60_000
    assert notify == GroupState(
        service=HERALD,
        group="notify",
        hubs=1,
        pending=3,
        lag=3 + 2 + 1,
        oldest_pending_ms=notify.oldest_pending_ms,
        lost=0,
        dead=1,
    )
    assert (push.service, push.hubs, push.pending, push.oldest_pending_ms) == ("exprsn-spark", 0, 0, None)
    assert (push.lost, push.dead) == (2, 0)


async def test_what_is_done_in_a_groups_own_log_is_not_counted(redis_client: Redis) -> None:
    groups, letters = Groups(redis_client), DeadLetters(redis_client)
    for name in LOGS:
        await groups.create(name, NAME, after="0-0")
    for number in range(3):
        await letters.bury(HERALD, "notify", letter(position=f"{number + 1}-0"))
    await letters.redrive(await dead_ids(letters))
    taken = await groups.exchange(NAME, "hub", acks={}, logs=LOGS[2:], count=2)
    await groups.exchange(NAME, "hub", acks={LOGS[2]: [taken[0][1].position]}, logs=[], count=1)
    (state,) = await GroupStates(redis_client).list()
    assert (state.pending, state.lag, state.dead) == (1, 1, 0)
