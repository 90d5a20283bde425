"""How the operations on resources are doing at one hub: requests, errors, and how long they take."""

import math
from dataclasses import dataclass, field
from typing import Final

from ipc.protocol.messages import CallError

# Four buckets for each doubling, from a sixteenth of a millisecond to two minutes.
STEPS: Final = 4
LOWEST: Final = -4
BUCKETS: Final = 85
MAX_ENDPOINTS: Final = 1_000


@dataclass(slots=True)
class Endpoint:
    """One operation on one resource; ``buckets`` counts requests by their time, as `upper_ms` bounds it."""

    requests: int = 0
    errors: int = 0
    total_ms: float = 0.0
    last_error: str = ""
    buckets: list[int] = field(default_factory=lambda: [0] * BUCKETS)


class Endpoints:
    """The endpoints that were called at one hub."""

    def __init__(self) -> None:
        self.by_name: dict[tuple[str, str], Endpoint] = {}

    def record(self, resource: str, op: str, took_ms: float, error: CallError | None) -> None:
        """Take note of a call that has ended."""
        endpoint = self.by_name.get((resource, op))
        if endpoint is None:
            if len(self.by_name) >= MAX_ENDPOINTS:
                return
            endpoint = self.by_name[resource, op] = Endpoint()
        endpoint.requests += 1
        endpoint.total_ms += took_ms
        endpoint.buckets[bucket_of(took_ms)] += 1
        if error is not None:
            endpoint.errors += 1
            endpoint.last_error = f"{error.code}: {error.message}"[:500]

    def mean_ms(self, resource: str, op: str) -> float:
        """Return the mean time of an operation, 0 for one that was never called here."""
        endpoint = self.by_name.get((resource, op))
        return endpoint.total_ms / endpoint.requests if endpoint is not None else 0.0


def bucket_of(took_ms: float) -> int:
    """Return the number of the bucket for a time."""
    if took_ms <= 0:
        return 0
    return min(BUCKETS - 1, max(0, math.floor(math.log2(took_ms) * STEPS) - LOWEST * STEPS + 1))


def upper_ms(bucket: int) -> float:
    """Return the time that all requests in a bucket took at most, in milliseconds."""
    return float(2 ** ((bucket + LOWEST * STEPS) / STEPS))
