"""Figures of operations: counted in buckets at each hub, and put together without asking anybody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.hub.endpoints import BUCKETS, MAX_ENDPOINTS, Endpoints, bucket_of, merged_figures, quantile_ms, upper_ms
from ipc.protocol.messages import CallError
from ipc.stores.shares import EndpointShare

times = st.floats(min_value=0, max_value=200_000, allow_nan=False)


def share(endpoints: Endpoints, resource: str = "posts", op: str = "read") -> EndpointShare:
    found = endpoints.by_name[resource, op]
    return EndpointShare(
        service=found.service,
        resource=resource,
        op=op,
        requests=found.requests,
        errors=found.errors,
        total_ms=found.total_ms,
        last_error=found.last_error,
        last_error_ms=found.last_error_ms,
        buckets=found.buckets,
    )


@given(times)
def test_a_bucket_bounds_its_times_within_a_fifth(took_ms: float) -> None:
    bucket = bucket_of(took_ms)
    assert 0 <= bucket < BUCKETS
    if 0.0625 <= took_ms < upper_ms(BUCKETS - 1):
        assert took_ms <= upper_ms(bucket) <= took_ms * 1.2


@given(st.lists(st.lists(times, min_size=1, max_size=50), min_size=1, max_size=4))
def test_figures_of_several_hubs_are_those_of_all_their_calls(hubs: list[list[float]]) -> None:
    shares, everything = [], Endpoints()
    for took in hubs:
        endpoints = Endpoints()
        for took_ms in took:
            endpoints.record("posts", "read", took_ms, None, service="exprsn-timeline")
            everything.record("posts", "read", took_ms, None, service="exprsn-timeline")
        shares.append(share(endpoints))
    (merged,), (whole,) = merged_figures(shares), merged_figures([share(everything)])
    assert (merged.requests, merged.errors, merged.p99_ms) == (whole.requests, 0, whole.p99_ms)
    assert merged.mean_ms == pytest.approx(whole.mean_ms, abs=0.002)


def test_the_last_error_is_the_latest_of_all_hubs() -> None:
    one, other = Endpoints(), Endpoints()
    one.record("posts", "read", 1, CallError(code="INTERNAL", message="first"), service="exprsn-timeline")
    other.record("posts", "read", 1, CallError(code="CONFLICT", message="later"), service="exprsn-timeline")
    other.by_name["posts", "read"].last_error_ms += 1_000
    for shares in ([share(one), share(other)], [share(other), share(one)]):
        (figures,) = merged_figures(shares)
        assert (figures.errors, figures.last_error) == (2, "CONFLICT: later")


def test_one_slow_call_in_a_hundred_is_not_the_99th_percentile() -> None:
    buckets = [0] * BUCKETS
    buckets[bucket_of(1.0)], buckets[bucket_of(1_000.0)] = 99, 1
    assert quantile_ms(buckets, 0.99) < 2
    buckets[bucket_of(1_000.0)] = 2
    assert quantile_ms(buckets, 0.99) > 500
    assert quantile_ms([0] * BUCKETS, 0.99) == 0.0


def test_names_are_bounded() -> None:
    endpoints = Endpoints()
    for number in range(MAX_ENDPOINTS + 10):
        endpoints.record("posts", f"op{number}", 1, None)
    assert len(endpoints.by_name) == MAX_ENDPOINTS
