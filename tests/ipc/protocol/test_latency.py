"""Times in buckets: each is between the bounds of its own, and buckets of several can be added up."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.protocol.latency import BUCKETS, bucket_of, bucket_of_whole, quantile_ms, summed, upper_ms


@given(st.floats(min_value=0.05, max_value=100_000))
def test_a_time_is_in_the_bucket_that_it_is_in_the_bounds_of(took_ms: float) -> None:
    bucket = bucket_of(took_ms)
    assert took_ms <= upper_ms(bucket) * 1.000001
    assert bucket == 0 or took_ms >= upper_ms(bucket - 1) * 0.999999


@pytest.mark.parametrize("took_ms", [-1.0, 0.0, 1e-12, 1e12])
def test_times_out_of_all_bounds_are_in_the_first_or_the_last(took_ms: float) -> None:
    assert bucket_of(took_ms) == (BUCKETS - 1 if took_ms > 1 else 0)


def test_a_quantile_is_at_most_a_fifth_too_large() -> None:
    buckets = Counter(bucket_of(took_ms) for took_ms in [*[1.0] * 98, 50.0, 700.0])
    assert 1.0 <= quantile_ms(buckets, 0.5) <= 1.2
    assert 50.0 <= quantile_ms(buckets, 0.99) <= 60.0
    assert 700.0 <= quantile_ms(buckets, 1.0) <= 840.0
    assert quantile_ms({}, 0.99) == 0.0


@given(st.integers(min_value=1, max_value=200_000))
def test_whole_milliseconds_are_in_the_bucket_of_their_time(took_ms: int) -> None:
    assert bucket_of_whole(took_ms) == bucket_of(took_ms)


@pytest.mark.parametrize("took_ms", [0, -1, -5_000])
def test_no_difference_between_two_clocks_says_at_most_a_millisecond(took_ms: int) -> None:
    """Also where the clock of Redis is ahead of the hub's."""
    assert upper_ms(bucket_of_whole(took_ms)) == 1.0


@given(st.lists(st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(0, 1_000))))
def test_the_buckets_of_all_together_have_what_each_has(all_buckets: list[dict[int, int]]) -> None:
    total = summed(all_buckets)
    for bucket in range(BUCKETS):
        assert total.get(bucket, 0) == sum(buckets.get(bucket, 0) for buckets in all_buckets)
