"""The flow keeps its window, measures what arrived and tells what did not."""

import asyncio

import pytest

from bench import workloads
from bench.workloads import Flow, Load, percentile_ms, plan


def load(*, events: int, window: int, seconds: float = 60.0) -> Load:
    """Return a load that ends by its number of events."""
    return Load(events=events, seconds=seconds, window=window, sample_every=1)


class Receivers:
    """Servers and receivers in one: what is sent arrives in the event loop's next turn, as often as it should."""

    def __init__(self, deliver: int) -> None:
        self.flow: Flow | None = None
        self.batches: list[int] = []
        self.most_in_flight = 0
        self._deliver = deliver

    def send(self, events: int) -> None:
        """Take a batch from the flow."""
        assert self.flow is not None
        self.batches.append(events)
        in_flight = self.flow.sent - self.flow.delivered // max(1, self._deliver)
        self.most_in_flight = max(self.most_in_flight, in_flight)
        if self._deliver:
            asyncio.get_running_loop().call_soon(self.flow.on_events, events * self._deliver)


@pytest.mark.parametrize(
    ("window", "batch", "most"), [(200, 1, 200), (200, 20, 200), (1, 1, 1), (1, 20, 20), (7, 3, 7)]
)
async def test_no_more_than_a_window_is_in_flight(window: int, batch: int, most: int) -> None:
    """The window holds for frames of any size; a frame larger than the window goes alone."""
    receivers = Receivers(18)
    flow = receivers.flow = Flow(load(events=1000, window=window), receivers=18, batch=batch, send=receivers.send)
    await flow.run()
    assert (flow.sent, flow.delivered) == (1000, 18_000)
    assert receivers.most_in_flight <= most
    assert max(receivers.batches) == batch


async def test_a_flow_ends_by_its_time() -> None:
    """Whatever was sent by then is still waited for."""
    receivers = Receivers(1)
    flow = receivers.flow = Flow(load(events=10**9, window=10, seconds=0.01), receivers=1, batch=1, send=receivers.send)
    seconds = await flow.run()
    assert 0 < flow.sent == flow.delivered < 10**9
    assert seconds > 0


async def test_a_stalled_flow_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that delivers nothing ends the run with what is missing, and not never."""
    monkeypatch.setattr(workloads, "STALL_S", 0.01)
    receivers = Receivers(0)
    flow = receivers.flow = Flow(load(events=1000, window=5), receivers=1, batch=1, send=receivers.send)
    await flow.run()
    assert (flow.sent, flow.delivered) == (5, 0)


async def test_a_failed_socket_ends_the_flow() -> None:
    """What a socket failed with is what the run fails with."""
    flow = Flow(load(events=10, window=5), receivers=1, batch=1, send=lambda _: None)
    asyncio.get_running_loop().call_soon(flow.on_failure, ConnectionResetError("gone"))
    with pytest.raises(ConnectionResetError, match="gone"):
        await flow.run()


def test_percentiles() -> None:
    """Microseconds become milliseconds; of nothing there is no percentile."""
    assert percentile_ms([3000, 1000, 2000], 0.5) == 2.0
    assert percentile_ms([*range(0, 100_000, 1000)], 0.99) == 99.0
    assert percentile_ms([], 0.5) is None


def test_the_unloaded_phase_has_one_frame_in_flight() -> None:
    """Latency without load is measured one by one, every event of it."""
    phases = plan(events=5000, seconds=0.9, window=200)
    assert (phases.unloaded.window, phases.unloaded.sample_every) == (1, 1)
    assert (phases.loaded.window, phases.loaded.events, phases.loaded.seconds) == (200, 5000, 0.9)
