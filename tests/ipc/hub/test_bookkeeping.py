"""What a group writes into its ledger, and that nothing of it is forgotten while Redis is away."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from ipc.hub.bookkeeping import Bookkeeping
from ipc.hub.counters import Counters
from ipc.hub.delivery import Delivery
from ipc.hub.group import GroupMembers
from ipc.hub.hub import Hub
from ipc.hub.notes import NOTED_AFTER_S
from ipc.hub.stores import LedgerStore
from ipc.protocol.delivery_status import Note
from ipc.protocol.errors import UnavailableError
from ipc.protocol.retry import RetryPolicy
from ipc.stores.eventlog import Entry
from ipc.stores.ledger_record import Acked, place
from tests.ipc.durable import SERVICE, GroupMember, Wound

LOG = "broadcast"


class RecordingLedger:
    """Keeps what is written, or is out of reach."""

    def __init__(self) -> None:
        self.is_away = False
        self.notes: dict[str, Note] = {}
        self.writes = 0

    async def note(self, name: str, notes: Mapping[str, Note], settled: Sequence[str] = ()) -> None:
        assert name == f"{SERVICE}/notify"
        if self.is_away:
            raise UnavailableError("away")
        self.writes += 1
        for where in settled:
            self.notes.pop(where, None)
        self.notes.update(notes)


class Books:
    """A group with one member, and its bookkeeping."""

    def __init__(self, hub: Hub) -> None:
        self.clock, self.ledger = Wound(), RecordingLedger()
        self.group = GroupMembers(SERVICE, "notify", clock=self.clock, counters=Counters(), deliveries={})
        self.group.join(GroupMember(hub).session, 10, ["*"], RetryPolicy())
        self.books = Bookkeeping(self.group, hub_id="h1", ledger=cast(LedgerStore, self.ledger), clock=self.clock)

    def hand_out(self, position: str, *, attempt: int = 1) -> Delivery:
        delivery = Delivery(self.group, LOG, Entry(position, "post:created", '{"type":"event"'), attempt, 0)
        self.group.ready.append(delivery)
        self.group.hand_out()
        return delivery

    def fail(self, delivery: Delivery) -> None:
        self.group.fail(delivery, "no", "", retry_in_ms=5_000, is_final=False)


@pytest.fixture
async def books(hub: Hub) -> Books:
    return Books(hub)


async def test_what_was_acknowledged_together_is_written_together(books: Books) -> None:
    deliveries = [books.hand_out(f"{number}-0") for number in range(3)]
    second = books.hand_out("9-0", attempt=2)
    for delivery in [*deliveries, second]:
        books.group.acknowledge(delivery)
    done = books.books.take()
    instance = second.instance
    assert done.acked == [Acked(LOG, instance, 1, ["0-0", "1-0", "2-0"]), Acked(LOG, instance, 2, ["9-0"])]
    assert done.settled == [place(LOG, "9-0")]
    empty: Any = ([], [], [])
    assert books.books.take() == empty


async def test_what_could_not_be_written_is_written_first(books: Books) -> None:
    books.group.acknowledge(books.hand_out("1-0", attempt=2))
    books.books.put_back(books.books.take())
    books.group.acknowledge(books.hand_out("2-0", attempt=2))
    done = books.books.take()
    assert [acked.positions for acked in done.acked] == [["1-0", "2-0"]]
    assert set(done.settled) == {place(LOG, "1-0"), place(LOG, "2-0")}


async def test_what_goes_well_is_not_noted(books: Books) -> None:
    delivery = books.hand_out("1-0")
    assert books.books.next_look() == NOTED_AFTER_S
    await books.books.write()
    books.group.acknowledge(delivery)
    books.clock.forward(2 * NOTED_AFTER_S)
    await books.books.write()
    assert (books.ledger.writes, books.books.next_look()) == (0, None)


async def test_what_takes_long_is_noted_once(books: Books) -> None:
    early = books.hand_out("1-0")
    assert books.books.next_look() == NOTED_AFTER_S
    books.clock.forward(NOTED_AFTER_S / 2)
    books.hand_out("2-0")
    books.clock.forward(NOTED_AFTER_S / 2)
    await books.books.write()
    assert books.ledger.notes == {
        place(LOG, "1-0"): Note(
            hub="h1", attempt=1, max_attempts=6, instance=early.instance, since_ms=books.clock.now_ms() - 1_000
        )
    }
    assert books.books.next_look() == 2 * NOTED_AFTER_S
    books.clock.forward(NOTED_AFTER_S)
    await books.books.write()
    assert (books.ledger.writes, len(books.ledger.notes), books.books.next_look()) == (2, 2, None)


async def test_a_failure_is_noted_with_its_next_time(books: Books) -> None:
    books.fail(books.hand_out("1-0"))
    await books.books.write()
    (note,) = books.ledger.notes.values()
    assert (note.hub, note.attempt, note.max_attempts, note.error) == ("h1", 1, 6, "no")
    assert note.next_ms == books.clock.now_ms() + 5_000


async def test_notes_wait_for_redis(books: Books) -> None:
    books.ledger.is_away = True
    books.fail(books.hand_out("1-0"))
    with pytest.raises(UnavailableError):
        await books.books.write()
    books.fail(books.hand_out("2-0"))
    books.ledger.is_away = False
    await books.books.write()
    assert books.ledger.notes.keys() == {place(LOG, "1-0"), place(LOG, "2-0")}


async def test_what_is_settled_meanwhile_is_not_noted_any_more(books: Books) -> None:
    """Its note would stay."""
    delivery = books.hand_out("1-0", attempt=2)
    books.group.notes.failed(delivery, 1)
    books.group.acknowledge(delivery)
    books.books.take()
    await asyncio.wait_for(books.books.write(), 1)
    assert books.ledger.notes == {}
