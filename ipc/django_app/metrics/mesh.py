"""How groups and Redis stood when somebody looked, as metrics: every process says the same of them."""

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from ipc.django_app.metrics.names import gauge
from ipc.stores.statistics import Sample

GROUP = ("service", "group")


def metrics_of_mesh(sample: Sample) -> Iterator[Metric]:
    """Return the metrics of a sample; the groups are the hundred with most to do."""
    groups = {(state.service, state.group): state for state in sample.groups}
    yield gauge(
        "group_backlog",
        "Events that a group has not acknowledged: not read yet, or pending. Of the mesh: the same in every process.",
        GROUP,
        {name: (state.lag or 0) + state.pending for name, state in groups.items()},
    )
    yield gauge(
        "group_pending",
        "Events in the hands of a group's members, or waiting for another attempt.",
        GROUP,
        {name: state.pending for name, state in groups.items()},
    )
    yield gauge(
        "group_oldest_pending_seconds",
        "Age of the oldest pending event of a group.",
        GROUP,
        {name: (state.oldest_pending_ms or 0) / 1000 for name, state in groups.items()},
    )
    yield gauge(
        "group_dead_letters",
        "Events that a group has given up, and nobody has redriven or discarded.",
        GROUP,
        {name: state.dead for name, state in groups.items()},
    )
    yield gauge(
        "group_lost_events",
        "Events that were trimmed from a log before a group had read them, up to now.",
        GROUP,
        {name: state.lost for name, state in groups.items()},
    )
    lengths: dict[tuple[str, ...], float] = {(log,): float(length) for log, length in sample.redis.log_lengths.items()}
    yield gauge("log_events", "Events in a log.", ("log",), lengths)
    yield gauge("redis_memory_used_bytes", "Memory that Redis uses.", (), {(): sample.redis.used_bytes})
    yield gauge("redis_memory_max_bytes", "maxmemory of Redis, 0 for none.", (), {(): sample.redis.max_bytes})
    yield gauge(
        "mesh_sampled_timestamp_seconds", "When groups and Redis were looked at.", (), {(): sample.at_ms / 1000}
    )
