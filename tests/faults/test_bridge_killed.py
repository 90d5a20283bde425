"""A bridge is killed with -9 and started again on its port, while events go on."""

import asyncio

import pytest

from exprsn.embedded import EmbeddedValkey
from ipc import IPCWorker
from tests.faults.conftest import Listening, emitting
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

KILLS = 2


async def count_up(worker: IPCWorker, event: str, stopped: asyncio.Event) -> int:
    """Emit numbers, one after the other, until stopped; return how many."""
    number = 0
    while not stopped.is_set():
        await worker.emit(event, number, target="herald", timeout_s=60)
        number += 1
        await asyncio.sleep(0.005)
    return number


async def test_workers_come_back_and_miss_nothing(
    own_valkey: EmbeddedValkey, bridge: ServerProcess, listening: Listening
) -> None:
    """Of another hub's events and of those emitted through the bridge itself: each once, and in order."""
    stopped = asyncio.Event()
    async with (
        listening("herald", "count:*") as heard,
        emitting("nexus", redis_url=own_valkey.url) as other_hub,
        emitting("atlas", bridge=bridge) as through_bridge,
    ):
        counts = [
            asyncio.create_task(count_up(other_hub, "count:hub", stopped)),
            asyncio.create_task(count_up(through_bridge, "count:bridge", stopped)),
        ]
        for _ in range(KILLS):
            await heard.count(len(heard.events) + 50)
            bridge.kill()
            missed_from = len(heard.events)
            bridge.launch()
            await asyncio.to_thread(bridge.wait)
            await heard.count(missed_from + 50)
        stopped.set()
        from_hub, from_bridge = await asyncio.gather(*counts)
        await heard.count(from_hub + from_bridge)
        await other_hub.emit("count:end", target="herald")
        await heard.until(lambda heard: heard.events[-1][0] == "count:end", "the last event")
        assert [data for event, data in heard.events if event == "count:hub"] == list(range(from_hub))
        assert [data for event, data in heard.events if event == "count:bridge"] == list(range(from_bridge))
