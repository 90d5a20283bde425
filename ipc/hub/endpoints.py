"""How the operations on resources are doing at one hub: requests, errors, and how long they take."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ipc.protocol.discovery import EndpointFigures
from ipc.protocol.latency import BUCKETS, bucket_of, quantile_ms
from ipc.protocol.messages import CallError
from ipc.stores.shares import EndpointShare

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
        p99_ms=round(quantile_ms(dict(enumerate(buckets)), 0.99), 3),
        last_error=latest.last_error or None,
        last_error_ms=latest.last_error_ms or None,
    )
