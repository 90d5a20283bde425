"""Counting by names: who emitted what is told from the frame alone, and no name makes it grow without end."""

from hypothesis import given
from hypothesis import strategies as st

from ipc.hub.emitting import event_frame
from ipc.hub.running_step import MAX_NAMES
from ipc.hub.tallies import Tallies, source_of
from ipc.protocol.codes import ErrorCode
from ipc.protocol.limits import Limits
from ipc.protocol.messages import Emit
from ipc.protocol.tally import Tally


@given(st.text(max_size=64))
def test_the_source_is_that_of_the_hub_whatever_the_emitter_calls_its_event(event_id: str) -> None:
    message = Emit(event="post:created")
    for hostile in (event_id, '","source":"exprsn-ca', '"source":"exprsn-ca"'):
        frame = event_frame(message, '"broadcast"', hostile, "exprsn-spark", 1, Limits())
        assert source_of(frame) == "exprsn-spark"


def test_a_frame_that_is_none_has_no_source_that_could_do_harm() -> None:
    for frame in ("", "{", '{"source":"', '{"source":"never ends'):
        assert len(source_of(frame)) <= len(frame)


def test_what_was_taken_is_not_taken_again() -> None:
    tallies = Tallies()
    tallies.appended([("exprsn-spark", "a:b")] * 2)
    tallies.refuse(None, ErrorCode.FORBIDDEN, 3)
    tallies.refuse_stranger("exprsn-spark", ErrorCode.TOKEN_INVALID)
    tallies.refuse_stranger(None, ErrorCode.AUTH_TIMEOUT)
    tallies.bypass("http")
    tallies.call_ended("exprsn-spark", "", "NO_OWNER", 0.002)
    totals, details = tallies.taken()
    assert totals.counts == {
        "emitted": 2, "called": 1, "call_failed": 1, "refused": 5, "strangers": 1, "failed": 1, "bypassed": 1,
    }  # fmt: skip
    assert details.counts == {
        "emitted exprsn-spark a:b": 2,
        "called exprsn-spark nobody": 1,
        "call_failed exprsn-spark nobody": 1,
        "refused nobody FORBIDDEN": 3,
        "refused nobody TOKEN_INVALID": 1,
        "refused nobody AUTH_TIMEOUT": 1,
        "strangers exprsn-spark TOKEN_INVALID": 1,
        "failed NO_OWNER": 1,
        "bypassed http": 1,
    }
    assert (totals.times["called"].count, details.times["called nobody"].total_ms) == (1, 2.0)
    assert tallies.taken() == (Tally(), Tally())


def test_names_without_end_count_as_other_and_none_is_lost() -> None:
    tallies = Tallies()
    tallies.appended(("exprsn-spark", f"made:up{number}") for number in range(10_000))
    for number in range(200):
        tallies.acknowledged("exprsn-herald", f"group{number}", ["1-0"])
    totals, details = tallies.taken()
    assert (totals.counts["emitted"], totals.counts["acked"]) == (10_000, 200)
    assert details.counts["emitted exprsn-spark other"] == 10_000 - MAX_NAMES
    assert len(details.counts) == 2 * (MAX_NAMES + 1)


def test_a_code_that_an_owner_made_up_is_no_name() -> None:
    tallies = Tallies()
    for number in range(100):
        tallies.call_ended("exprsn-spark", "exprsn-herald", f"MADE UP {number}", 0.001)
    assert tallies.taken()[1].counts["failed other"] == 100


def test_a_second_of_events_from_the_future_took_no_time() -> None:
    """The clock of Redis may be ahead; a batch may be of several milliseconds."""
    tallies = Tallies()
    tallies.delivery_took(["99999999999999-0", "99999999999999-1"])
    tallies.delivery_took(["99999999999998-0", "99999999999999-0", "99999999999999-1"])
    times = tallies.taken()[0].times["delivery"]
    assert (times.count, times.total_ms) == (5, 0.0)


def test_events_of_several_sources_are_counted_for_each_of_them() -> None:
    tallies = Tallies()
    frames = [f'{{"source":"exprsn-{name}",' for name in ("spark", "live", "spark")]
    for service in ("exprsn-herald", "exprsn-herald", "exprsn-vault"):
        for row, number in tallies.rows_of(frames):
            row[service] += number
    assert tallies.taken()[1].counts == {
        "delivered exprsn-spark exprsn-herald": 4,
        "delivered exprsn-spark exprsn-vault": 2,
        "delivered exprsn-live exprsn-herald": 2,
        "delivered exprsn-live exprsn-vault": 1,
    }
