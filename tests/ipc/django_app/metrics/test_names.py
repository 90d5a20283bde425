"""Metrics as Prometheus takes them: names, labels, and buckets that only grow."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from ipc.django_app.metrics.names import counter, gauge, histogram
from ipc.protocol.latency import BUCKETS, bucket_of
from ipc.protocol.tally import Times


class One(Collector):
    def __init__(self, metric: Metric) -> None:
        self.metric = metric

    def collect(self) -> list[Metric]:
        return [self.metric]


def printed(metric: Metric) -> Metric:
    """Return a metric as Prometheus reads it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(One(metric))
    (found,) = text_string_to_metric_families(generate_latest(registry).decode())
    return found


def test_a_counter_and_a_gauge_say_what_they_were_given() -> None:
    found = printed(counter("calls", "Calls.", ("source", "service"), {("a", "b"): 2, ("a", 'x"\n\\'): 3}))
    assert (found.name, found.type) == ("ipc_calls", "counter")
    assert [(sample.name, sample.labels["service"], sample.value) for sample in found.samples] == [
        ("ipc_calls_total", "b", 2.0), ("ipc_calls_total", 'x"\n\\', 3.0),
    ]  # fmt: skip
    (sample,) = printed(gauge("log_lag_seconds", "Lag.", (), {(): 0.5})).samples
    assert (sample.name, sample.labels, sample.value) == ("ipc_log_lag_seconds", {}, 0.5)


@given(st.dictionaries(st.integers(0, BUCKETS - 1), st.integers(0, 100)))
def test_buckets_only_grow_and_the_last_has_all(buckets: dict[int, int]) -> None:
    found = printed(histogram("call_seconds", "Time.", (), {(): Times(1_500.0, buckets)}))
    counts = [sample.value for sample in found.samples if sample.name.endswith("_bucket")]
    assert counts == sorted(counts)
    by_name = {sample.name: sample.value for sample in found.samples}
    assert counts[-1] == by_name["ipc_call_seconds_count"] == sum(buckets.values())
    assert by_name["ipc_call_seconds_sum"] == 1.5


def test_each_time_is_below_the_bound_of_its_bucket() -> None:
    times = Times()
    for took_ms in (0.01, 0.9, 3.0, 70.0, 500_000.0):
        times.took(took_ms)
    found = printed(histogram("call_seconds", "Time.", (), {(): times}))
    bounds = {sample.labels["le"]: sample.value for sample in found.samples if "le" in sample.labels}
    assert (bounds["6.25e-05"], bounds["0.001"], bounds["0.004"], bounds["0.128"]) == (1, 2, 3, 4)
    assert (bounds["65.536"], bounds["+Inf"]) == (4, 5)
    assert bucket_of(500_000.0) == BUCKETS - 1
