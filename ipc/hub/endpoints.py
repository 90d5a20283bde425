"""How the operations on resources are doing at one hub: requests, errors, and how long they take."""

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ipc.protocol.discovery import EndpointFigures
from ipc.protocol.messages import CallError
from ipc.stores.shares import EndpointShare

# Four buckets for each doubling, from a sixteenth of a millisecond to two minutes.
STEPS: Final = 4
LOWEST: Final = -4
BUCKETS: Final = 85
MAX_ENDPOINTS: Final = 1_000


@dataclass(slots=True)
class Endpoint:
    """One operation on one resource; ``buckets`` counts requests by their time, as `upper_ms` bounds it."""

    service: str = ""
    requests: int = 0
    errors: int = 0
    total_ms: float = 0.0
    last_error: str = ""
    last_error_ms: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * BUCKETS)


class Endpoints:
    """The endpoints that were called at one hub."""

    def __init__(self) -> None:
        self.by_name: dict[tuple[str, str], Endpoint] = {}

    def record(self, resource: str, op: str, took_ms: float, error: CallError | None, *, service: str = "") -> None:
        """Take note of a call that has ended, of the service that answered it."""
        endpoint = self.by_name.get((resource, op))
        if endpoint is None:
            if len(self.by_name) >= MAX_ENDPOINTS:
                return
            endpoint = self.by_name[resource, op] = Endpoint()
        endpoint.service = service
        endpoint.requests += 1
        endpoint.total_ms += took_ms
        endpoint.buckets[bucket_of(took_ms)] += 1
        if error is not None:
            endpoint.errors += 1
            endpoint.last_error = f"{error.code}: {error.message}"[:500]
            endpoint.last_error_ms = time.time_ns() // 1_000_000

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


def quantile_ms(buckets: Sequence[int], part: float) -> float:
    """Return the time that a part of the requests took at most, as far as buckets tell; 0 without any."""
    wanted = part * sum(buckets)
    seen = 0
    for bucket, count in enumerate(buckets):
        seen += count
        if count and seen >= wanted:
            return upper_ms(bucket)
    return 0.0


def merged_figures(shares: Iterable[EndpointShare]) -> list[EndpointFigures]:
    """Return the figures of operations over several hubs, by resource and name."""
    merged: dict[tuple[str, str], list[EndpointShare]] = {}
    for share in shares:
        merged.setdefault((share.resource, share.op), []).append(share)
    return [_figures(parts) for _, parts in sorted(merged.items())]


def _figures(parts: Sequence[EndpointShare]) -> EndpointFigures:
    requests = sum(part.requests for part in parts)
    buckets = [sum(counts) for counts in zip(*(part.buckets for part in parts), strict=False)]
    latest = max(parts, key=lambda part: part.last_error_ms)
    return EndpointFigures(
        resource=parts[0].resource,
        op=parts[0].op,
        requests=requests,
        errors=sum(part.errors for part in parts),
        mean_ms=round(sum(part.total_ms for part in parts) / requests, 3) if requests else 0.0,
        p99_ms=round(quantile_ms(buckets, 0.99), 3),
        last_error=latest.last_error or None,
        last_error_ms=latest.last_error_ms or None,
    )
