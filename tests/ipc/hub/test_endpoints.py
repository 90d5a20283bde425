"""Figures of operations: requests and errors are counted, and memory is bounded."""

from ipc.hub.endpoints import MAX_ENDPOINTS, Endpoints
from ipc.protocol.messages import CallError


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
