"""Figures of operations: each time is in the bucket whose bounds it is between, and memory is bounded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.hub.endpoints import BUCKETS, MAX_ENDPOINTS, Endpoints, bucket_of, quantile_ms, upper_ms
from ipc.protocol.messages import CallError


@given(st.floats(min_value=0.05, max_value=100_000))
def test_a_time_is_in_the_bucket_that_it_is_in_the_bounds_of(took_ms: float) -> None:
    bucket = bucket_of(took_ms)
    assert took_ms <= upper_ms(bucket) * 1.000001
    assert bucket == 0 or took_ms >= upper_ms(bucket - 1) * 0.999999


@pytest.mark.parametrize("took_ms", [-1.0, 0.0, 1e-12, 1e12])
def test_times_out_of_all_bounds_are_in_the_first_or_the_last(took_ms: float) -> None:
    assert bucket_of(took_ms) == (BUCKETS - 1 if took_ms > 1 else 0)


def test_a_quantile_is_at_most_a_fifth_too_large() -> None:
    buckets = [0] * BUCKETS
    for took_ms in [*[1.0] * 98, 50.0, 700.0]:
        buckets[bucket_of(took_ms)] += 1
    assert 1.0 <= quantile_ms(buckets, 0.5) <= 1.2
    assert 50.0 <= quantile_ms(buckets, 0.99) <= 60.0
    assert 700.0 <= quantile_ms(buckets, 1.0) <= 840.0
    assert quantile_ms([0] * BUCKETS, 0.99) == 0.0


def test_requests_and_errors_are_counted_with_the_last_error() -> None:
    endpoints = Endpoints()
    assert endpoints.mean_ms("posts", "read") == 0.0
    endpoints.record("posts", "read", 2.0, None)
    endpoints.record("posts", "read", 4.0, CallError(code="NOT_FOUND", message="gone" * 1_000))
    endpoint = endpoints.by_name["posts", "read"]
    assert (endpoint.requests, endpoint.errors, endpoints.mean_ms("posts", "read")) == (2, 1, 3.0)
    assert endpoint.last_error.startswith("NOT_FOUND: gone")
    assert (len(endpoint.last_error), endpoint.last_error_ms > 0) == (500, True)


def test_names_without_end_do_not_fill_the_memory() -> None:
    endpoints = Endpoints()
    for number in range(MAX_ENDPOINTS + 50):
        endpoints.record("posts", f"op{number}", 1.0, None)
    assert len(endpoints.by_name) == MAX_ENDPOINTS
