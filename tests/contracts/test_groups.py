"""What every store of groups does: an entry is given out once, and stays until it is acknowledged or taken over."""

import pytest

from ipc.hub.stores import GroupStore, LogStore, Stores
from ipc.protocol.routing import own_log
from ipc.stores.dead_letter import DeadLetter
from ipc.stores.eventlog import Entry, NewEvent
from ipc.stores.group_replies import Claims, GroupMissingError
from ipc.stores.groups import NOBODY
from tests.contracts.backends import Backend
from tests.contracts.conftest import MakeBackend

SERVICE, GROUP = "exprsn-herald", "notify"
LOG, NAME = SERVICE, f"{SERVICE}/{GROUP}"
OTHER = "broadcast"
OWN = own_log(SERVICE, GROUP)


async def append(eventlog: LogStore, *numbers: int, log: str = LOG) -> list[str]:
    events = [NewEvent("", "post:created", f'{{"number":{number}') for number in numbers]
    return (await eventlog.append(log, events)).positions


async def take(groups: GroupStore, consumer: str = "h1", *, logs: tuple[str, ...] = (LOG,), count: int = 10) -> list:
    entries = await groups.exchange(NAME, consumer, acks={}, logs=list(logs), count=count)
    return [entry.position for _, entry in entries]


async def acknowledge(groups: GroupStore, *positions: str, log: str = LOG) -> None:
    assert await groups.exchange(NAME, "h1", acks={log: positions}, logs=[], count=1) == []


async def held(groups: GroupStore, consumer: str = "h1") -> list[tuple[str, int]]:
    found = await groups.pending(LOG, NAME, consumer)
    assert all(pending.consumer == consumer and pending.idle_ms >= 0 for pending in found)
    return [(pending.position, pending.attempts) for pending in found]


# Creating


async def test_a_group_is_created_once(groups: GroupStore) -> None:
    """Also on a log that nothing was ever appended to."""
    assert not await groups.exists(LOG, NAME)
    assert await groups.create(LOG, NAME)
    assert not await groups.create(LOG, NAME, after="0-0")
    assert await groups.exists(LOG, NAME)
    assert not await groups.exists(OTHER, NAME)


@pytest.mark.parametrize(("after", "first"), [("$", 2), ("0", 0), ("0-0", 0), (None, 1)])
async def test_a_group_begins_where_it_is_told(stores: Stores, after: str | None, first: int) -> None:
    positions = await append(stores.eventlog, 1, 2)
    await stores.groups.create(LOG, NAME, after=positions[0] if after is None else after)
    positions += await append(stores.eventlog, 3)
    assert await take(stores.groups) == positions[first:]


async def test_what_is_forgotten_is_gone(stores: Stores) -> None:
    """With what was pending; forgetting it again, or on a log that is not there, is no mistake."""
    groups = stores.groups
    await groups.create(LOG, NAME)
    await append(stores.eventlog, 1)
    await take(groups)
    for log in (LOG, LOG, OTHER, OWN):
        await groups.destroy(log, NAME)
    assert not await groups.exists(LOG, NAME)
    await groups.create(LOG, NAME)
    assert (await held(groups), await take(groups)) == ([], [])


async def test_the_groups_of_a_log_are_known(groups: GroupStore) -> None:
    """Those of a log that nothing was ever appended to, too; a log that is not there has none."""
    assert await groups.names(LOG) == frozenset()
    for log, name in ((LOG, NAME), (LOG, "exprsn-herald/audit"), (OTHER, "exprsn-spark/notify")):
        await groups.create(log, name)
    assert await groups.names(LOG) == {NAME, "exprsn-herald/audit"}
    await groups.destroy(LOG, NAME)
    assert await groups.names(LOG) == {"exprsn-herald/audit"}


async def test_a_group_that_is_not_there_is_said_to_be_missing(groups: GroupStore) -> None:
    """Whether the log is there or not, by everything that needs it; acknowledging has nothing to do then."""
    for log in (LOG, OTHER):
        for missing in (
            groups.exchange(NAME, "h1", acks={}, logs=[log], count=1),
            groups.claim(log, NAME, "h1", ["1-0"], owner="h2"),
            groups.pending(log, NAME, "h1"),
            groups.consumers(log, NAME),
            groups.remove_consumer(log, NAME, "h1"),
        ):
            with pytest.raises(GroupMissingError, match=NAME):
                await missing
        await acknowledge(groups, "1-0", log=log)
        await groups.create(log, "exprsn-herald/other")


# Giving out


async def test_each_entry_is_given_out_once(stores: Stores) -> None:
    """To whichever consumer asks first, as many as it asks for, in order; another group has them all again."""
    groups = stores.groups
    for name in (NAME, "exprsn-herald/other"):
        await groups.create(LOG, name)
    positions = await append(stores.eventlog, *range(5))
    taken = [await take(groups, "h1", count=2), await take(groups, "h2", count=2), await take(groups, "h1")]
    assert taken == [positions[:2], positions[2:4], positions[4:]]
    assert await take(groups) == []
    others = await groups.exchange("exprsn-herald/other", "h1", acks={}, logs=[LOG], count=10)
    assert [entry.position for _, entry in others] == positions


async def test_several_logs_are_taken_from_at_once(stores: Stores) -> None:
    for log in (LOG, OTHER):
        await stores.groups.create(log, NAME)
    one = await append(stores.eventlog, 1, 2)
    other = await append(stores.eventlog, 3, 4, log=OTHER)
    entries = await stores.groups.exchange(NAME, "h1", acks={}, logs=[OTHER, LOG], count=1)
    assert entries == [
        (OTHER, Entry(other[0], "post:created", '{"number":3')),
        (LOG, Entry(one[0], "post:created", '{"number":1')),
    ]


async def test_what_is_acknowledged_is_pending_no_more(stores: Stores) -> None:
    """Acknowledging it again, or what was never given out, changes nothing."""
    await stores.groups.create(LOG, NAME)
    positions = await append(stores.eventlog, *range(3))
    await take(stores.groups)
    assert await held(stores.groups) == [(position, 1) for position in positions]
    for _ in range(2):
        await acknowledge(stores.groups, positions[1], "1-0")
    assert await held(stores.groups) == [(positions[0], 1), (positions[2], 1)]


async def test_pending_entries_are_listed_in_pages(stores: Stores) -> None:
    await stores.groups.create(LOG, NAME)
    positions = await append(stores.eventlog, *range(4))
    await take(stores.groups, "h1", count=3)
    await take(stores.groups, "h2")
    page = await stores.groups.pending(LOG, NAME, "h1", count=2)
    assert [pending.position for pending in page] == positions[:2]
    rest = await stores.groups.pending(LOG, NAME, "h1", after=positions[1])
    assert [pending.position for pending in rest] == positions[2:3]
    assert await stores.groups.pending(LOG, NAME, "nobody") == []


# Taking over


async def test_a_claim_takes_over_and_counts(stores: Stores) -> None:
    """From its owner only, which may be the one that claims; not what was acknowledged, or is another's by now."""
    groups = stores.groups
    await groups.create(LOG, NAME)
    positions = await append(stores.eventlog, *range(4))
    await take(groups, "h1", count=3)
    await take(groups, "h2")
    await acknowledge(groups, positions[1])
    claims = await groups.claim(LOG, NAME, "h3", [*positions, "1-0"], owner="h1")
    assert [(entry.position, attempts) for entry, attempts in claims.taken] == [(positions[0], 2), (positions[2], 2)]
    assert claims.trimmed == []
    assert await groups.claim(LOG, NAME, "h1", positions[:1], owner="h1") == Claims([], [])
    again = await groups.claim(LOG, NAME, "h3", positions[:1], owner="h3")
    assert again.taken == [(Entry(positions[0], "post:created", '{"number":0'), 3)]
    assert (await held(groups, "h1"), await held(groups, "h3")) == ([], [(positions[0], 3), (positions[2], 2)])


async def test_what_is_left_to_nobody_waits_for_who_takes_it(make_backend: MakeBackend) -> None:
    """Only what its consumer has still, and it counts as no delivery; what the log has dropped cannot be left."""
    stores = make_backend().stores()
    groups = stores.groups
    await groups.create(LOG, NAME)
    positions = await append(stores.eventlog, *range(4))
    await take(groups, "h1", count=3)
    await take(groups, "h2")
    await acknowledge(groups, positions[1])
    assert await groups.hand_over(LOG, NAME, "h1", [*positions, "1-0"]) == [positions[0], positions[2]]
    assert await groups.hand_over(LOG, NAME, "h1", positions) == []
    assert (await held(groups, "h1"), await held(groups, NOBODY)) == ([], [(positions[0], 1), (positions[2], 1)])
    claims = await groups.claim(LOG, NAME, "h2", positions[:1], owner=NOBODY)
    assert [(entry.position, attempts) for entry, attempts in claims.taken] == [(positions[0], 2)]
    with pytest.raises(GroupMissingError):
        await groups.hand_over(LOG, f"{SERVICE}/nothing", "h1", positions)


async def test_what_was_trimmed_cannot_be_left_to_nobody(make_backend: MakeBackend) -> None:
    stores = make_backend(log_ttl_s=-1).stores()
    await stores.groups.create(LOG, NAME)
    positions = await append(stores.eventlog, 1, 2)
    await take(stores.groups)
    await stores.eventlog.trim(LOG)
    assert await stores.groups.hand_over(LOG, NAME, "h1", positions) == []


async def test_what_was_trimmed_is_not_taken_over(make_backend: MakeBackend) -> None:
    """It is pending no more."""
    stores = make_backend(log_ttl_s=-1).stores()
    await stores.groups.create(LOG, NAME)
    positions = await append(stores.eventlog, 1, 2)
    await take(stores.groups)
    await stores.eventlog.trim(LOG)
    assert await stores.groups.claim(LOG, NAME, "h2", positions, owner="h1") == Claims([], positions)
    assert (await held(stores.groups), await held(stores.groups, "h2")) == ([], [])


async def test_a_consumer_is_known_until_it_is_removed(stores: Stores) -> None:
    """One that something is pending at stays, with what is pending."""
    groups = stores.groups
    await groups.create(LOG, NAME)
    positions = await append(stores.eventlog, 1)
    await take(groups, "h1")
    await take(groups, "h2")
    assert await groups.consumers(LOG, NAME) == {"h1": 1, "h2": 0}
    for consumer in ("h1", "h2", "nobody"):
        await groups.remove_consumer(LOG, NAME, consumer)
    assert await groups.consumers(LOG, NAME) == {"h1": 1}
    assert await held(groups) == [(positions[0], 1)]


# What a group remembers


async def test_what_was_handled_is_remembered_for_its_group(groups: GroupStore) -> None:
    await groups.exchange(NAME, "h1", acks={}, logs=[], count=1, handled=["s/a", "s/b"])
    assert await groups.handled(NAME, ["s/a", "s/c", "s/b"]) == {"s/a", "s/b"}
    assert await groups.handled("exprsn-herald/other", ["s/a"]) == frozenset()
    assert await groups.handled(NAME, []) == frozenset()


async def test_hubs_know_who_serves_a_group(groups: GroupStore) -> None:
    first = await groups.serving(SERVICE, GROUP, "h1")
    second = await groups.serving(SERVICE, GROUP, "h2")
    again = await groups.serving(SERVICE, GROUP, "h1")
    assert [(sorted(serving.hubs), serving.was_known) for serving in (first, second, again)] == [
        (["h1"], False),
        (["h1", "h2"], False),
        (["h1", "h2"], True),
    ]
    await groups.stop_serving(SERVICE, GROUP, "h1")
    await groups.stop_serving(SERVICE, GROUP, "nobody")
    assert await groups.served_by(SERVICE, GROUP) == {"h2"}
    assert await groups.served_by(SERVICE, "other") == frozenset()


# A group's own log, and its dead letters


async def test_what_is_done_in_a_groups_own_log_is_dropped(stores: Stores) -> None:
    await stores.groups.create(OWN, NAME)
    positions = await append(stores.eventlog, 1, 2, 3, log=OWN)
    assert await take(stores.groups, logs=(OWN,)) == positions
    await acknowledge(stores.groups, *positions[:2], log=OWN)
    left = await stores.eventlog.read(OWN, after="0-0")
    assert [entry.position for entry in left.entries] == positions[2:]


@pytest.mark.parametrize("log", [LOG, OWN])
async def test_a_dead_letter_is_kept_and_pending_no_more(backend: Backend, log: str) -> None:
    stores = backend.stores()
    await stores.groups.create(log, NAME)
    (position,) = await append(stores.eventlog, 1, log=log)
    await take(stores.groups, logs=(log,))
    letter = DeadLetter(
        log=log,
        position=position,
        event="post:created",
        frame='{"id":"e1","source":"exprsn-timeline","target":"broadcast","ts":1,"data":1',
        error="ValueError: höh",
        traceback="",
        attempts=3,
        first_ms=1,
        last_ms=2,
        instance="exprsn-herald:01",
    )
    await stores.dead_letters.bury(SERVICE, GROUP, letter)
    assert await backend.dead_letters(SERVICE, GROUP) == [letter]
    assert await stores.groups.pending(log, NAME, "h1") == []
    assert bool((await stores.eventlog.read(log, after="0-0")).entries) == (log == LOG)
