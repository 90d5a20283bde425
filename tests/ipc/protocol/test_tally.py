"""Numbers under names can be added up in any order, and say the same after a way through Redis."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ipc.protocol.tally import Tally, Times, joined, parts, together

NAMES = st.sampled_from(["emitted", "emitted a b:c", "refused a FORBIDDEN"])
TIMES = st.builds(
    Times, st.integers(0, 1_000).map(float), st.dictionaries(st.integers(0, 84), st.integers(1, 9), max_size=4)
)
TALLIES = st.builds(
    Tally, st.dictionaries(NAMES, st.integers(0, 1_000)), st.dictionaries(NAMES, TIMES), st.just(dict[str, int]())
)


@given(st.lists(TALLIES, max_size=5), st.randoms())
def test_the_order_of_hubs_makes_no_difference(tallies: list[Tally], random: st.DataObject) -> None:
    shuffled = tallies.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # it is a random.Random
    assert together(tallies) == together(shuffled)


@given(TALLIES)
def test_a_tally_comes_back_from_redis_as_it_was(tally: Tally) -> None:
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(tally), type=Tally) == tally


def test_a_tally_of_a_later_version_can_be_read() -> None:
    later = msgspec.msgpack.encode([{"emitted": 1}, {}, {}, "what is new"])
    assert msgspec.msgpack.decode(later, type=Tally) == Tally(counts={"emitted": 1})
    assert msgspec.msgpack.decode(msgspec.msgpack.encode([{"emitted": 1}]), type=Tally).gauges == {}


def test_of_two_hubs_sessions_are_added_and_the_longer_lag_counts() -> None:
    found = together([Tally(gauges={"sessions a": 2, "lag_ms": 7}), Tally(gauges={"sessions a": 3, "lag_ms": 5})])
    assert found.gauges == {"sessions a": 5, "lag_ms": 7}


def test_adding_changes_only_one_of_the_two() -> None:
    one, other = Tally(), Tally(counts={"emitted": 1}, times={"delivery": Times(1.0, {3: 1})})
    one.add(other)
    one.add(other)
    assert other == Tally(counts={"emitted": 1}, times={"delivery": Times(1.0, {3: 1})})
    assert (one.counts["emitted"], one.times["delivery"].count) == (2, 2)


def test_a_name_comes_apart_as_it_was_joined() -> None:
    assert parts(joined("emitted", "exprsn-spark", "post:created")) == ("emitted", "exprsn-spark", "post:created")
