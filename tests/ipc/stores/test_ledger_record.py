"""How what is done is packed, and what an entry says of a place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.protocol.delivery_status import Receipt
from ipc.stores.ledger_record import Acked, commands_for, pack, receipt

HERALD = "exprsn-herald"
positions = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)).map(lambda pair: f"{pair[0]}-{pair[1]}")


@given(st.lists(positions, min_size=1, max_size=30, unique=True), positions)
def test_what_was_packed_is_found_again_and_nothing_else(acked: list[str], other: str) -> None:
    fields = {b"a": pack([Acked("broadcast", f"{HERALD}:01", 2, acked)])}
    for position in acked:
        found = receipt("1700-0", fields, "broadcast", position, HERALD)
        assert found == Receipt(at_ms=1700, instance=f"{HERALD}:01", attempt=2)
        assert receipt("1700-0", fields, HERALD, position, HERALD) is None
    if other not in acked:
        assert receipt("1700-0", fields, "broadcast", other, HERALD) is None


def test_an_entry_has_what_several_instances_did_in_several_logs() -> None:
    fields = {
        b"a": pack([Acked("broadcast", f"{HERALD}:01", 1, ["5-0"]), Acked(HERALD, f"{HERALD}:02", 3, ["5-0", "5-1"])])
    }
    assert receipt("9-0", fields, "broadcast", "5-0", HERALD) == Receipt(at_ms=9, instance=f"{HERALD}:01", attempt=1)
    assert receipt("9-0", fields, HERALD, "5-1", HERALD) == Receipt(at_ms=9, instance=f"{HERALD}:02", attempt=3)


def test_what_nobody_handled_has_no_instance() -> None:
    assert receipt("9-0", {b"a": pack([Acked(HERALD, "", 1, ["5-0"])])}, HERALD, "5-0", HERALD) == Receipt(
        at_ms=9, attempt=1
    )


@pytest.mark.parametrize(("log", "position"), [("broadcast", "5-0"), (HERALD, "5"), (HERALD, "6-0"), (HERALD, "5-00")])
def test_what_was_moved_or_lost_is_exactly_that(log: str, position: str) -> None:
    moved, lost = {b"m": f"{HERALD} 5-0 77-0".encode()}, {b"l": f"{HERALD} 4-0 5-0".encode()}
    assert receipt("9-0", moved, HERALD, "5-0", HERALD) == Receipt(at_ms=9, moved_to="77-0")
    assert receipt("9-0", lost, HERALD, "5-0", HERALD) == Receipt(at_ms=9, is_lost=True)
    assert receipt("9-0", moved, log, position, HERALD) is None
    assert receipt("9-0", lost, log, position, HERALD) is None


def test_an_entry_of_a_later_version_says_nothing() -> None:
    assert receipt("9-0", {b"z": b"?"}, HERALD, "5-0", HERALD) is None


def test_many_events_take_few_bytes() -> None:
    acked = [f"1795467976{ms:03}-{seq}" for ms in range(20) for seq in range(5)]
    assert len(pack([Acked(HERALD, f"{HERALD}:01M853P7DDDKSMG3K1Y6PCRTTA", 1, acked)])) < 700


def test_nothing_is_written_for_nothing() -> None:
    assert commands_for("exprsn-herald/notify", [], []) == []
